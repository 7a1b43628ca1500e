"""Make an environment with the lowest versions that pyproject.toml declares.

    python .ci/lowest_versions.py FOLDER

torch is the exception: its lowest version has wheels for Linux that bring CUDA. It is that
of the Python that runs this, and so is what the dependencies need but pyproject.toml does
not declare, unless it is too new for them. The package itself is the checkout.
"""

import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_LOWEST = ("torch",)
EXTRAS = ("plot", "io", "explain", "completion", "dask", "test")


def requirements():
    """Return one requirement per dependency, with its lowest version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [*project["dependencies"]]
    for extra in EXTRAS:
        declared += project["optional-dependencies"][extra]
    pairs = [each.split(">=") for each in declared if ">=" in each]
    return [f"{name}=={lowest}" for name, lowest in pairs if name not in NOT_LOWEST]


def make_environment(folder):
    """Install the lowest versions before those of the Python that runs this."""
    venv.create(folder, with_pip=False, clear=True)
    places = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", places))
    # Looked at last, so that what is installed here comes first.
    (site / "others.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    bin = folder / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python"]
    options = ["--quiet", "--only-binary=:all:", "--no-compile"]
    command = [*pip, bin / Path(sys.executable).name, "install", *options]
    subprocess.run([*command, *requirements()], check=True)


if __name__ == "__main__":
    make_environment(Path(sys.argv[1]).resolve())
