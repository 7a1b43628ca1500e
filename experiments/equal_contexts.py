"""Does any estimator beat the paper's network and a ridge on rings, in equal contexts?

    python experiments/equal_contexts.py --minutes 9    # options of `skcluster benchmark`
    python experiments/equal_contexts.py --tables-only  # from the files with predictions

Runs the contest of experiments/equal_contexts.toml. Then it says for each estimator by
how much its scatters are smaller than those of the paper's three-band network and of the
ridge regression on counts in rings, in the survey where the gain is smallest, and in how
much of the network's training time.
"""

import sys
from pathlib import Path

from skcluster.cli import main as skcluster
from skcluster.contest import read_configuration, results_table

CONFIGURATION = Path(__file__).with_suffix(".toml")
RIVALS = "ho2023, three bands", "ridge on rings, three bands"
KINDS = ("std", "robust")


def least_gains(table, rival):
    """Smallest gain of each estimator over a rival, over the surveys: (std, robust)."""
    scatter = {
        (row["estimator"], row["seed"], kind): row[f"{kind}_dex"]
        for row in table
        for kind in KINDS
    }
    seeds = sorted(set(table["seed"]))
    return {
        name: tuple(
            min(
                1 - scatter[name, seed, kind] / scatter[rival, seed, kind]
                for seed in seeds
            )
            for kind in KINDS
        )
        for name in dict.fromkeys(table["estimator"])
        if name != rival
    }


def main(options):
    """Run the contest and judge it."""
    code = skcluster(["benchmark", str(CONFIGURATION), *options])
    if code not in (0, 3):
        return code
    table = results_table(read_configuration(CONFIGURATION))
    for rival in RIVALS:
        if rival not in table["estimator"]:
            print(f"\n{rival} has no predictions yet.")
            continue
        print(f"\nSmallest gain over {rival} in any survey, std / robust:")
        for name, gains in least_gains(table, rival).items():
            shown = " / ".join(f"{100 * gain:+.1f} %" for gain in gains)
            print(f"  {name:45} {shown}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
