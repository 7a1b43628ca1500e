"""Mutated event lists and tables against the readers: refused by name, or finite numbers.

    python tests/stress/fuzz_readers.py                          # 20,000 inputs
    python tests/stress/fuzz_readers.py --inputs 1000000 --seed 7

Accidents flip, cut, insert and swap bytes; authors put other values into the keywords of
a FITS header or other words into a table of text, and compress what was compressed. Then
read_photons, read_galaxies and read_sample must raise a ValueError or an OSError that
names the file, or return what their documentation promises: arrays of one length, finite,
declinations between the poles. In no case may there be another exception, a warning, a
process, a file that is written or left over, or a call that lasts longer than TIME_LIMIT.
Prints the counts by outcome, and exits with 1 if there is anything else, of which the
first files are kept.
"""

import bz2
import collections
import encodings.utf_8_sig  # noqa: F401  (or the first BOM would import it under watch)
import functools
import gzip
import lzma
import re
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from fuzz_models import (
    FORBIDDEN,
    TIME_LIMIT,
    TookTooLong,
    Watch,
    change_bytes,
    parsed_options,
)

from skcluster.io import read_galaxies, read_photons, read_sample, write_photons

HARMLESS = {"import", "code.__new__", "marshal.loads"}
"""What the interpreter does when a parser first needs another of its modules."""
CARD = 80
PACKINGS = {
    ".gz": (gzip.decompress, functools.partial(gzip.compress, compresslevel=1)),
    ".bz2": (bz2.decompress, bz2.compress),
    ".xz": (lzma.decompress, functools.partial(lzma.compress, preset=0)),
}
VALUES = ["0", "-1", "1", "3", "8", "1E400", "NaN", "''", "'A'", "T", "", "2147483648"]
VALUES += [
    "99999999999999999999",
    "'1E'",
    "'PE(9)'",
    "'keV'",
    "'erg'",
    "'EVENTS'",
    "-64",
]
VALUES += ["'FK4'", "'rad'", "1950.0", "180.0", "'DEC--SIN'", "'HRC'", "'NuSTAR'"]
VALUES += ["'RA---TAN'", "'GLON-CAR'", "'XMM'", "1D", "0.0", "'\0'", "'é'", "1" * 60]
WORDS = [
    "",
    "nan",
    "inf",
    "-1",
    "0",
    "1e400",
    "None",
    '"',
    ",",
    "\n",
    "\0",
    "é",
    "x" * 9999,
]
WORDS += [
    "redshift",
    "z",
    "ra",
    "x",
    "!!python/object:os.system",
    "- {",
    "--",
    "#",
    "a.csv",
]


def make_originals():
    """File name -> its reader and its bytes, one of each kind that people have."""
    rng = np.random.default_rng(0)
    n = 50
    photons = {
        "ra": rng.uniform(9.9, 10.1, n),
        "dec": rng.uniform(-0.1, 0.1, n),
        "energy": rng.uniform(0.3, 5.0, n),
    }
    galaxies = {
        "x": rng.normal(size=n),
        "y": rng.normal(size=n),
        "v": rng.normal(0, 500, n).astype(np.float32),
    }
    on_sky = {
        "RA": photons["ra"],
        "DEC": photons["dec"],
        "z": rng.normal(0.1, 0.003, n).astype(np.float32),
    }
    clusters = {"name": ["a", "b", "c"], "redshift": [0.1, 0.2, 0.3]}
    clusters |= {"ra": [9.0, 10.0, 359.0], "dec": [0.0, 1.0, -80.0]}
    clusters |= {"log_mass": [14.0, 14.5, 15.0]}
    tables = {"galaxies": galaxies, "galaxies on the sky": on_sky, "clusters": clusters}
    readers = {
        "galaxies": read_galaxies,
        "galaxies on the sky": lambda path: read_galaxies(
            path, center=(10.0, 0.0), redshift=0.1
        ),
        "clusters": read_sample,
    }
    originals = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("fits", "fits.gz", "fits.bz2", "fits.xz"):
            path = Path(folder, f"our list.{suffix}")
            write_photons(path, photons, center=(10.0, 0.0), redshift=0.1, name="a")
            originals[path.name] = read_photons, path.read_bytes()
        for mission, hdu in (
            ("erosita", _erosita(photons)),
            ("chandra", _chandra(rng)),
        ):
            path = Path(folder, f"{mission}.fits")
            hdu.writeto(path)
            originals[path.name] = read_photons, path.read_bytes()
        for name, columns in tables.items():
            for suffix in ("csv", "ecsv", "fits"):
                path = Path(folder, f"{name}.{suffix}")
                Table(columns).write(path)
                originals[path.name] = readers[name], path.read_bytes()
    return originals


def _erosita(photons):
    channel = (1000 * photons["energy"]).astype(np.int32)
    return fits.BinTableHDU.from_columns(
        [
            fits.Column("RA", "D", "deg", array=photons["ra"]),
            fits.Column("DEC", "D", "deg", array=photons["dec"]),
            fits.Column("PI", "J", "eV", array=channel),
        ],
        fits.Header({"TELESCOP": "eROSITA"}),
        name="EVENTS",
    )


def _chandra(rng):
    hdu = fits.BinTableHDU.from_columns(
        [
            fits.Column("X", "E", "pixel", array=rng.uniform(4000, 4200, 50)),
            fits.Column("Y", "E", "pixel", array=rng.uniform(4000, 4200, 50)),
            fits.Column("ENERGY", "E", "eV", array=rng.uniform(500, 5000, 50)),
        ],
        fits.Header({"TELESCOP": "CHANDRA"}),
        name="EVENTS",
    )
    for axis, kind, value, step in (
        (1, "RA---TAN", 10.0, -1.4e-4),
        (2, "DEC--TAN", 0, 1.4e-4),
    ):
        keywords = ("TCTYP", kind), ("TCRVL", value), ("TCRPX", 4096.5), ("TCDLT", step)
        more = ("TCUNI", "deg"), ("TCROT", 20.0), ("LONP", 180.0)
        for keyword, content in (*keywords, *more):
            hdu.header[f"{keyword}{axis}"] = content
    hdu.header["RADECSYS"], hdu.header["EQUINOX"] = "FK5", 1975.0
    return hdu


def by_an_author(rng, name, content):
    """The file with one to three keywords or words of another meaning."""
    unpack, pack = PACKINGS.get(Path(name).suffix, (bytes, bytes))
    content = unpack(content)
    change = change_card if ".fits" in name else change_word
    for _ in range(rng.integers(1, 4)):
        content = change(rng, content)
    return pack(content)


def change_card(rng, content):
    """Another value, or the value of another keyword, in a card of a header."""
    at = [
        i
        for i in range(0, len(content), CARD)
        if re.match(rb"[A-Z0-9_-]{1,8} *= ", content[i : i + 10])
    ]
    if not at:
        return content
    start = int(rng.choice(at))
    value = VALUES[rng.integers(len(VALUES))].encode("latin1")
    if rng.random() < 0.2:
        other = int(rng.choice(at))
        value = content[other + 10 : other + CARD].rstrip()
    keyword = content[start : start + 10]
    if rng.random() < 0.1:
        other = int(rng.choice(at))
        keyword = content[other : other + 10]
    card = (keyword + value.rjust(20))[:CARD].ljust(CARD)
    return content[:start] + card + content[start + CARD :]


def change_word(rng, content):
    """Another word in a table of text."""
    words = list(re.finditer(rb"[^\s,]+", content))
    if not words:
        return content
    word = words[rng.integers(len(words))]
    new = WORDS[rng.integers(len(WORDS))].encode()
    return content[: word.start()] + new + content[word.end() :]


def unsound(result):
    """What a result breaks of the promises of its reader, or None."""
    if isinstance(result, tuple):
        sample, _ = result
        parts = {"redshift": sample.redshift}
        if "center" in sample.fields:
            parts |= {"ra": sample.center[:, 0], "dec": sample.center[:, 1]}
    else:
        parts = {name: np.asarray(column) for name, column in result.items()}
    if len({len(column) for column in parts.values()}) != 1:
        return "columns of different lengths"
    for name in parts.keys() & {"ra", "dec", "energy", "x", "y", "v", "redshift"}:
        if parts[name].dtype.kind not in "iuf" or not np.isfinite(parts[name]).all():
            return f"{name} is not finite"
    if "dec" in parts and (abs(parts["dec"]) > 90).any():
        return "a declination beyond the pole"
    return None


class Trial:
    """An empty folder for the files, and a watch."""

    def __init__(self, folder):
        self.folder, self.watch = folder, Watch(FORBIDDEN - HARMLESS)
        self.originals = make_originals()
        # What a reader first imports, opens or downloads is not the doing of a mutation.
        for name, (reader, content) in self.originals.items():
            path = self.folder / name
            path.write_bytes(content)
            reader(path)
            path.unlink()

    def outcome(self, name, content):
        """What the reader makes of a file, and whether that is fine."""
        reader = self.originals[name][0]
        path = self.folder / name
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                # A center whose name was mutated is lost, and said to be.
                warnings.filterwarnings("ignore", "The columns .* look like sky")
                with self.watch(TIME_LIMIT):
                    result = reader(path)
        except (ValueError, OSError) as error:
            said, is_fine = type(error).__name__, str(path) in str(error)
            if not is_fine:
                said = repr(error)[:200]
        except (Exception, TookTooLong) as error:
            said, is_fine = repr(error)[:200], False
        else:
            broken = unsound(result)
            said, is_fine = broken or "read", broken is None
        if self.watch.seen:
            said, is_fine = f"{said}, and {self.watch.seen[0]}", False
        path.unlink()
        left = list(self.folder.iterdir())
        if left:
            said, is_fine = f"{said}, and left {left[0].name}", False
        return said, is_fine

    def run(self, n_inputs, seed, keep=None):
        """Counts of outcomes by enemy and original, and the outcomes that are not fine."""
        rng = np.random.default_rng(seed)
        counts, wrong = collections.Counter(), []
        for name in rng.choice([*self.originals], n_inputs).tolist():
            is_author = bool(rng.random() < 0.5)
            content = self.originals[name][1]
            if is_author:
                content = by_an_author(rng, name, content)
            else:
                content = change_bytes(rng, content)
            said, is_fine = self.outcome(name, content)
            counts["author" if is_author else "accident", name, said] += 1
            if not is_fine:
                wrong.append((name, said))
                if keep is not None and len(wrong) <= 20:
                    (keep / f"{len(wrong)} {name}").write_bytes(content)
        return counts, wrong


def main():
    """Try the inputs and print what became of them."""
    options = parsed_options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        counts, wrong = Trial(Path(folder)).run(
            options.inputs, options.seed, options.keep
        )
    for (enemy, name, said), n in sorted(counts.items()):
        print(f"{enemy:9} {name:24} {n:7,} {said}")
    print(f"{options.inputs:,} inputs, {len(wrong)} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
