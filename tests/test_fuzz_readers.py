"""The readers under fire: an error that names the file, or finite numbers."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.fuzz

SCRIPT = Path(__file__).parent / "stress" / "fuzz_readers.py"


def test_hundreds_of_mutated_files_are_refused_by_name_or_read():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--inputs=600", "--seed=1"],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = Counter(line.split()[-1] for line in done.stdout.splitlines()[:-1])
    assert outcomes.keys() == {"OSError", "ValueError", "read"}
