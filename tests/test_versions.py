"""show_versions names everything that a report of a problem needs."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import skcluster
from skcluster.versions import PACKAGES

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
FOR_DEVELOPERS = ("test", "docs", "dev")


def test_it_names_all_that_is_needed_and_all_that_extras_add():
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"]]
    asked += [p for name in extras.keys() - FOR_DEVELOPERS for p in extras[name]]
    assert {re.match(r"[\w-]+", each)[0] for each in asked} == {*PACKAGES}


def test_its_lines_are_what_is_installed(capsys):
    skcluster.show_versions()
    lines = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    assert lines["skcluster"] == skcluster.__version__
    for name in ("numpy", "torch", "scikit-learn"):
        assert lines[name] == importlib.metadata.version(name)
    assert lines.keys() >= {"python", "system", "CPUs", "GPUs", *PACKAGES}


def test_a_checkout_that_is_not_installed_knows_its_version(
    monkeypatch, tmp_path, capsys
):
    installed = importlib.metadata.version

    def without_ours(name):
        if name == "skcluster":
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(importlib.metadata, "version", without_ours)
    skcluster.show_versions()
    skcluster.save_model(skcluster.LogScaler(), tmp_path / "model.skops")
    header = skcluster.read_header(tmp_path / "model.skops")
    assert header.versions["skcluster"] == skcluster.__version__
    assert f"{skcluster.__version__}\n" in capsys.readouterr().out.splitlines(True)[0]
    assert header.versions["numpy"] == installed("numpy")
