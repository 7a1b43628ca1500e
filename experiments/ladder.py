"""Is the demo's ladder in the right order: the photon count worst, three bands best?

    python experiments/ladder.py                        # runs `skcluster demo`: minutes
    python experiments/ladder.py --table skcluster-demo/table.csv
    python experiments/ladder.py -- --clusters 3285 --pixels 64 --epochs 100

Prints the scatter of every rung and exits with 1 unless N_phot has the largest and the
three-band network the smallest, both as standard deviation and as half of the central 68 %.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from astropy.table import Table

from skcluster.cli import main as skcluster

WORST, BEST = "N_phot", "network, three bands"
KINDS = ("std_dex", "robust_dex")


def misplaced(table):
    """What stands against the order, one sentence each."""
    names = list(table["estimator"])
    for kind in KINDS:
        largest, smallest = names[table[kind].argmax()], names[table[kind].argmin()]
        if largest != WORST:
            yield f"{largest} has the largest {kind}, not {WORST}."
        if smallest != BEST:
            yield f"{smallest} has the smallest {kind}, not {BEST}."


def main():
    """Read or make the table and judge it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", help="the table.csv of a demo that has run")
    parser.add_argument("demo", nargs="*", help="options of the demo, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.table is None:
            code = skcluster(["demo", "--output", folder, *arguments.demo])
            if code:
                return code
        table = Table.read(arguments.table or Path(folder, "table.csv"))
    for row in table:
        scatters = ", ".join(f"{kind} {row[kind]:.4f}" for kind in KINDS)
        print(f"{row['estimator']:27} {scatters}")
    wrong = list(misplaced(table))
    print("\n".join(wrong or ["The order is right, in both scatters."]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
