"""Cost per cluster of `skcluster predict` on catalogs of many clusters.

    python benchmarks/bench_catalog.py                          # 1000 and 10,000 clusters
    python benchmarks/bench_catalog.py --clusters 1000 10000 100000
    python benchmarks/bench_catalog.py --jobs 1 2

Each cluster has an event list of its own, a symbolic link to one of 200 mock lists, and
the model is the paper's network on maps of 128 x 128 pixels. Each line is a process of its
own; its CPU time and its peak memory are those that the kernel counts for it and its
workers. The cost per cluster leaves out that of a catalog of one part, which is mostly
imports. It may grow by a tenth from the smallest to the largest catalog.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from astropy.table import Table, vstack

from skcluster.cli import main as skcluster

N_LISTS = 200
MAY_GROW = 1.1
"""Bar: cost per cluster of the largest catalog, over that of the smallest."""


def catalog(folder, n_clusters):
    """Write a table of clusters whose event lists are links, and return its path."""
    lists = Table.read(folder / "survey" / "clusters.ecsv")
    table = vstack([lists] * -(-n_clusters // len(lists)))[:n_clusters]
    links = folder / f"{n_clusters}"
    (links / "photons").mkdir(parents=True)
    names = [f"cluster-{i}" for i in range(n_clusters)]
    for name, source in zip(names, table["photons"], strict=True):
        (links / "photons" / f"{name}.fits").symlink_to(folder / "survey" / source)
    table["name"] = names
    table["photons"] = [f"photons/{name}.fits" for name in names]
    table.remove_column("galaxies")
    table.write(links / "clusters.ecsv")
    return links / "clusters.ecsv"


def cost(folder, table, n_jobs):
    """Predict a catalog; return CPU seconds, seconds and the largest process's MiB."""
    code = (
        "import resource, sys; from skcluster.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "of = [resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN]\n"
        "print(*(resource.getrusage(each).ru_maxrss for each in of), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    output = folder / "masses.csv"
    command = [sys.executable, "-c", code, "predict", folder / "model.skops", table]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*command, "-o", output, f"--jobs={n_jobs}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, seconds, max(map(int, done.stderr.splitlines()[-1].split())) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clusters", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        lists = str(folder / "survey")
        skcluster(["simulate", lists, f"--clusters={N_LISTS}"])
        table, model = f"{lists}/clusters.ecsv", str(folder / "model.skops")
        skcluster(["train", table, "-o", model, "--epochs=1"])
        print(
            "clusters  jobs  CPU ms per cluster      s  largest process [MiB]",
            flush=True,
        )
        tables = {n: catalog(folder, n) for n in (256, *arguments.clusters)}
        is_flat = True
        for n_jobs in arguments.jobs:
            start, _, _ = cost(folder, tables[256], n_jobs)
            per_cluster = []
            for n_clusters in arguments.clusters:
                cpu, seconds, peak = cost(folder, tables[n_clusters], n_jobs)
                per_cluster.append(1000 * (cpu - start) / (n_clusters - 256))
                print(
                    f"{n_clusters:8d}  {n_jobs:4d}  {per_cluster[-1]:18.2f}  {seconds:5.0f}"
                    f"  {peak:21.0f}",
                    flush=True,  # a long run shows what it has
                )
            is_flat &= per_cluster[-1] <= MAY_GROW * per_cluster[0]
    sys.exit(0 if is_flat else 1)


if __name__ == "__main__":
    main()
