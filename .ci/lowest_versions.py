"""Print the lowest version of each dependency that pyproject.toml declares, for pip.

    python .ci/lowest_versions.py > lowest.txt

torch is the exception: its lowest version has wheels for Linux that bring CUDA, so that the
version of constraints.txt takes its place.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AS_CONSTRAINED = ("torch",)
EXTRAS = ("plot", "io", "explain", "test")


def requirements():
    """Return one requirement per dependency, with its lowest version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [*project["dependencies"]]
    for extra in EXTRAS:
        declared += project["optional-dependencies"][extra]
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if "==" in line
    )
    for each in declared:
        name, _, lowest = each.partition(">=")
        if name in AS_CONSTRAINED:
            yield f"{name}=={pinned[name]}"
        elif re.fullmatch(r"[\w-]+", name):  # not skcluster[...] itself
            yield f"{name}=={lowest}"


if __name__ == "__main__":
    print("\n".join(requirements()))
