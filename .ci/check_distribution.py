"""Build sdist and wheel, install the wheel into a clean environment, and test that.

    python .ci/check_distribution.py            # needs hatchling, and no network

The sdist must hold every file under version control, and the wheel, which is built from the
sdist, every file of the package and nothing else. The clean environment has the wheel
and the packages that it depends on, but not the checkout: tests run beside all that the
sdist has besides the package.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = (
    "test_public_names",
    "test_cli",
    "test_cli_inspect",
    "test_persistence",
)
"""What a user meets first: names, the command, models of before."""


def run(*command, **options):
    """Run a command, and stop with its exit code if it fails."""
    print("$", *command, flush=True)
    done = subprocess.run([*map(str, command)], **options)
    if done.returncode:
        sys.exit(done.returncode)


def build(folder):
    """Build the sdist, and the wheel from it; return their paths."""
    run(
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "sdist",
        "-d",
        folder,
        cwd=ROOT,
    )
    (sdist,) = folder.glob("*.tar.gz")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "wheel",
        "--quiet",
    ]
    alone = ["--no-deps", "--no-index", "--no-build-isolation"]
    run(*pip, *alone, "--wheel-dir", folder, sdist)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def check_contents(sdist, wheel):
    """Compare the files of sdist and wheel with those under version control."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    expected = {*listed.stdout.splitlines()}
    with tarfile.open(sdist) as archive:
        names = [
            name for name in archive.getnames() if not archive.getmember(name).isdir()
        ]
    found = {name.partition("/")[2] for name in names}
    check_same("sdist", found, expected | {"PKG-INFO"})
    with zipfile.ZipFile(wheel) as archive:
        found = {*archive.namelist()}
    about = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    metadata = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    package = {name for name in expected if name.startswith("skcluster/")}
    assert {"skcluster/py.typed", "skcluster/__init__.pyi"} <= package
    check_same("wheel", found, package | {f"{about}/{name}" for name in metadata})


def check_same(what, found, expected):
    """Stop if there are other files than expected."""
    if found != expected:
        sys.exit(
            f"The {what} lacks {sorted(expected - found)} and has besides "
            f"{sorted(found - expected)}. Is everything committed or ignored?"
        )
    print(f"The {what} has all {len(found)} files and no other.", flush=True)


def clean_environment(folder, wheel, packages):
    """Install the wheel into a new environment that sees other packages; return Python."""
    venv.create(folder, with_pip=False)
    bin = folder / ("Scripts" if os.name == "nt" else "bin")
    python = bin / Path(sys.executable).name
    places = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", places))
    # Packages in such a path are found, but not the checkout, to which another .pth leads.
    (site / "dependencies.pth").write_text(f"{packages}\n")
    pip = [sys.executable, "-m", "pip", "--python", python]
    alone = ["--no-deps", "--no-index", "--ignore-installed", "--quiet"]
    run(*pip, "install", *alone, wheel)
    return python


def test(python, sdist, folder, names):
    """Run tests and doctests of the installed wheel, beside all but the package."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (beside,) = folder.iterdir()
    (beside / "skcluster").rename(beside / "not_this_one")
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH"
    }
    environment |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "SCIPY_ARRAY_API": "1"}
    code = (
        "import skcluster, sys; from importlib.metadata import version\n"
        "print(skcluster.__file__, skcluster.__version__)\n"
        "assert skcluster.__file__.startswith(sys.prefix)\n"
        "assert version('skcluster') == skcluster.__version__"
    )
    where = {"cwd": beside, "env": environment}
    run(python, "-c", code, **where)
    run(python.with_name("skcluster"), "--version", **where)
    tests = [f"tests/{name}.py" for name in names]
    pytest = [python, "-m", "pytest", "-q", "--numprocesses=auto", "--dist=worksteal"]
    run(*pytest, *tests, "--pyargs", "skcluster", **where)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--packages",
        default=sysconfig.get_path("purelib"),
        help="folder with the packages that the wheel depends on (default: of this Python)",
    )
    parser.add_argument("--tests", nargs="*", default=TESTS, help="test files to run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder).resolve()
        for name in ("dist", "sources"):
            (folder / name).mkdir()
        sdist, wheel = build(folder / "dist")
        check_contents(sdist, wheel)
        python = clean_environment(folder / "venv", wheel, arguments.packages)
        test(python, sdist, folder / "sources", arguments.tests)


if __name__ == "__main__":
    main()
