"""Mutated model files against load_model: refused, or the same model, and nothing else.

    python tests/stress/fuzz_models.py                          # 20,000 inputs
    python tests/stress/fuzz_models.py --inputs 1000000 --seed 7

Two kinds of enemies change the files. Accidents flip, cut, insert and swap bytes of the
file; then load_model must raise a ValueError or an OSError that names the file, or return
the same model. Authors change the schema, the arrays and the header, and write hashes that
fit; they may also get another model through, but of known types only. In no case may there
be another exception, an import, a process, a pickle, a file that is written or left over,
or a call that lasts longer than TIME_LIMIT. Prints the counts by outcome, and exits with 1
if there is anything else, of which the first files are kept.
"""

import argparse
import collections
import contextlib
import copy
import json
import os
import pickle
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skcluster import (
    EvrardProxyRegressor,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    XrayCNNRegressor,
    load_model,
    save_model,
)
from skcluster.persistence.archive import HEADER, SCHEMA, pack, read_members
from skcluster.persistence.file_header import pack_header
from skcluster.persistence.known_types import COSMOLOGIES, DICTS, FUNCTIONS, OBJECTS
from skcluster.persistence.schema_reader import imported

TIME_LIMIT = 5
"""Seconds of the processor that a call may take; most take milliseconds."""
MEMORY_LIMIT = 2**26
"""Bytes that a call may add to the peak of the process; the files have 0.4 MB at most."""
FORBIDDEN = {
    "code.__new__",
    "exec",
    "import",
    "marshal.loads",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.spawn",
    "os.system",
    "pickle.find_class",
    "pty.spawn",
    "shutil.rmtree",
    "socket.connect",
    "subprocess.Popen",
    "tempfile.mkstemp",
}
"""Events of sys.addaudithook that loading has no reason for."""


class Canary:
    """Tells if anything of it is called."""

    sung = []

    def __new__(cls, *args):
        cls.sung.append("new")
        return super().__new__(cls)

    def __init__(self, *args):
        self.sung.append("init")

    def __setstate__(self, state):
        self.sung.append("setstate")

    def __reduce__(self):
        return type(self), ()


class TookTooLong(BaseException):
    """Not an Exception, which load_model would turn into a ValueError."""


class Watch:
    """What the interpreter is asked to do while it is on, and should not be."""

    def __init__(self, forbidden=FORBIDDEN):
        self.is_on, self.seen, self.forbidden = False, [], forbidden
        sys.addaudithook(self._hear)

    def _hear(self, event, arguments):
        if not self.is_on:
            return
        writes = event == "open" and (
            set(str(arguments[1])) & set("wax+")
            or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
        if writes or event in self.forbidden:
            self.seen.append(f"{event} {arguments!r:.200}")

    @contextlib.contextmanager
    def __call__(self, seconds):
        def stop(*_):
            raise TookTooLong(f"it took more than {seconds} s")

        self.seen = []
        Canary.sung.clear()
        # Of the processor's time: this process may have to wait for others.
        before = signal.signal(signal.SIGPROF, stop)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
            self.seen += [f"canary {note}" for note in Canary.sung]


def make_originals():
    """Name -> bytes of a small model's file."""
    rng = np.random.default_rng(0)
    log_mass = rng.uniform(13.5, 15, 20)
    proxies = log_mass[:, None] + rng.normal(0, 0.1, (20, 2))
    maps = rng.poisson(1.0, (20, 1, 8, 8))
    network = XrayCNNRegressor(
        max_epochs=1, device="cpu", n_threads=1, random_state=0, n_members=2
    )
    linear = LinearRegression()
    models = {
        "evrard": EvrardProxyRegressor().fit(proxies, log_mass),
        "network": make_pipeline(PhotonMapper(), network.fit(maps, log_mass)),
        "pipeline": make_pipeline(
            PhotonMapper(n_pixels=8),
            RedshiftNormalizer(),
            ProxyMeasurer(),
            TransformedTargetRegressor(linear, func=np.log, inverse_func=np.exp).fit(
                proxies, log_mass
            ),
        ),
    }
    originals = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        for name, model in models.items():
            save_model(model, path, folds=[0, 1] * 10, notes="before")
            originals[name] = path.read_bytes()
    return originals


def fingerprint(model):
    """A hash of all that a model holds; None of one that cannot be pickled."""
    try:
        return joblib.hash(model)
    except Exception:
        return None


def peak_memory():
    """Largest number of bytes that this process has held."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# Accidents: bytes in, bytes out.


def change_bytes(rng, content):
    """One to four accidents, half of them where the zip keeps its own records."""
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(content) + 1))
        if rng.random() < 0.5:
            marks = [content.find(b"PK", at), content.rfind(b"PK\x01\x02", 0, at)]
            at = max(0, int(rng.choice(marks))) + int(rng.integers(60))
        length = int(rng.choice([1, 1, 2, 4, 16, 256]))
        accident = ACCIDENTS[rng.integers(len(ACCIDENTS))]
        content = accident(rng, content, min(at, len(content)), length)
    return content


def flip(rng, content, at, length):
    changed = bytearray(content)
    for i in range(at, min(at + length, len(content))):
        changed[i] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def overwrite(rng, content, at, length):
    return content[:at] + rng.bytes(length) + content[at + length :]


def insert(rng, content, at, length):
    return content[:at] + rng.bytes(length) + content[at:]


def leave_out(rng, content, at, length):
    return content[:at] + content[at + length :]


def cut_off(rng, content, at, length):
    return content[:at]


def swap(rng, content, at, length):
    one, other = sorted([at, int(rng.integers(len(content) + 1))])
    middle = content[one + length : other]
    parts = content[other : other + length], middle, content[one : one + length]
    return content[:one] + b"".join(parts) + content[other + length :]


def repeat(rng, content, at, length):
    return content[: at + length] + content[at:]


ACCIDENTS = [flip, overwrite, insert, leave_out, cut_off, swap, repeat]


# Authors: members in, members out.

TYPES = [
    ("astropy.cosmology", "FlatLambdaCDM"),
    ("builtins", "dict"),
    ("builtins", "eval"),
    ("builtins", "float"),
    ("builtins", "list"),
    ("builtins", "map"),
    ("builtins", "str"),
    ("builtins", "tuple"),
    ("collections", "OrderedDict"),
    ("functools", "partial"),
    ("numpy", "add"),
    ("numpy", "bytes_"),
    ("numpy", "clongdouble"),
    ("numpy", "dtype"),
    ("numpy", "float64"),
    ("numpy", "log"),
    ("numpy", "ndarray"),
    ("numpy", "void"),
    ("numpy.ma", "MaskedArray"),
    ("numpy.random.mtrand", "RandomState"),
    ("operator", "methodcaller"),
    ("posix", "system"),
    ("scipy.sparse._matrix", "spmatrix"),
    ("skcluster", "CalibratedMassRegressor"),
    ("skcluster", "EvrardProxyRegressor"),
    ("skcluster", "JointCNNRegressor"),
    ("skcluster", "LogScaler"),
    ("skcluster", "RotationAugmentedRegressor"),
    ("skcluster", "XrayCNNRegressor"),
    ("skcluster.sample", "MapGeometry"),
    ("sklearn.frozen", "FrozenEstimator"),
    ("sklearn.gaussian_process.kernels", "RBF"),
    ("sklearn.isotonic", "IsotonicRegression"),
    ("sklearn.model_selection", "KFold"),
    ("sklearn.pipeline", "Pipeline"),
    ("sklearn.preprocessing", "PolynomialFeatures"),
    ("sklearn.svm", "SVR"),
    ("sklearn.tree._tree", "Tree"),
    ("sklearn.utils", "Bunch"),
    (Canary.__module__, "Canary"),
]
KINDS = [
    "BytearrayNode",
    "BytesNode",
    "CachedNode",
    "ConstructorFromReduceNode",
    "DTypeNode",
    "DefaultDictNode",
    "DictNode",
    "FunctionNode",
    "JsonNode",
    "ListNode",
    "LossNode",
    "MaskedArrayNode",
    "MethodNode",
    "NdArrayNode",
    "ObjectNode",
    "OperatorFuncNode",
    "PartialNode",
    "RandomGeneratorNode",
    "RandomStateNode",
    "SetNode",
    "SliceNode",
    "SparseMatrixNode",
    "TreeNode",
    "TupleNode",
    "TypeNode",
]
ATOMS = [None, True, 0, -1, 3, 2**31, 2**63, 10**30, 1e308, float("nan"), "", "\0", "x"]
ATOMS += ["x" * 1000, [], {}, [[]], [None], {"": None}, "1e999", "[" * 2000, '"cuda"']
ATOMS += ["-1", "null", "[1, 10000000, 10000000]", "99999999999", "NaN", "schema.json"]


def slots_of(tree):
    """Every (container, key) of a tree of dicts and lists."""
    left, slots = [tree], []
    while left:
        node = left.pop()
        keys = node if isinstance(node, dict) else range(len(node))
        for key in keys:
            slots.append((node, key))
            if isinstance(node[key], dict | list):
                left.append(node[key])
    return slots


def change_tree(rng, tree):
    """One to three changes of a JSON tree, in place, apt to be a skops schema."""
    for _ in range(rng.integers(1, 4)):
        slots = slots_of(tree)
        if not slots:
            return
        node, key = slots[rng.integers(len(slots))]
        donor, donor_key = slots[rng.integers(len(slots))]
        ids = [n[k] for n, k in slots if k == "__id__"] or [0]
        part = new_part(rng, ids, donor[donor_key])
        values = [n for n, k in slots if k == "__loader__" and n[k] == "JsonNode"]
        choice = rng.integers(11)
        if choice > 7 and values:
            values[rng.integers(len(values))]["content"] = new_value(rng)
        elif choice == 0:
            del node[key]
        elif choice == 1:
            # A copy, so that the tree stays one.
            node[key] = json.loads(json.dumps(donor[donor_key]))
        elif choice == 2:
            node[key] = {"__id__": copy.deepcopy(ids[rng.integers(len(ids))])}
        elif choice == 3 and isinstance(node, dict):
            node.update(part)
        elif choice == 4:
            node[key] = part
        elif choice == 5:
            for _ in range(int(rng.choice([1, 10, 100, 250]))):
                node[key] = [node[key]]
        elif choice == 6 and isinstance(node, list):
            node.extend(json.loads(json.dumps(node * int(rng.choice([1, 9])))))
        else:
            node[key] = copy.deepcopy(ATOMS[rng.integers(len(ATOMS))])


def new_value(rng):
    """JSON of a number, a string or a list in the place of a parameter or a result."""
    value = ATOMS[rng.integers(len(ATOMS))]
    return value if rng.random() < 0.2 else json.dumps(value)


def new_part(rng, ids, content):
    """A part of a schema, of any kind and type, made of a piece of another."""
    module, name = TYPES[rng.integers(len(TYPES))]
    content = json.loads(json.dumps(content))
    part = {
        "__class__": name,
        "__module__": module,
        "__loader__": KINDS[rng.integers(len(KINDS))],
        "content": content,
    }
    if rng.random() < 0.5:
        part["__id__"] = ids[rng.integers(len(ids))]
    if rng.random() < 0.3:
        inside = {"func": content, "args": content, "kwds": content, "obj": content}
        part |= {"attrs": content, "key_types": content, "content": inside}
        part["__reduce__"] = {"args": content}
    # A copy, so that the tree has no part in two places, and none in itself.
    return json.loads(json.dumps(part))


def change_array(rng, content):
    """Another file in the place of one of numpy's."""
    choice = rng.integers(8)
    shape = str(
        rng.choice(["(1000000000000,)", "(-1,)", "()", "1", "(" * 5000, "(0,)"])
    )
    kind = str(rng.choice(["<f8", "|O", "<U0", "|V2000000000", "<M8[s]", "f" * 3000]))
    if choice == 0:
        text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n"
        size = len(text).to_bytes(2, "little")
        return b"\x93NUMPY\x01\x00" + size + text.encode() + content[128:]
    if choice == 1:
        return pickle.dumps(Canary())
    if choice == 2:
        return pack({"schema.json": content})
    if choice == 3:
        return content[: rng.integers(len(content) + 1)]
    if choice == 4:
        return flip(rng, content, int(rng.integers(128)), 1)
    return change_bytes(rng, content)


def by_an_author(rng, content, path):
    """A file whose schema, arrays or header somebody changed who knows the format."""
    path.write_bytes(content)
    members = read_members(path)
    header = json.loads(members.pop(HEADER, b"{}"))
    arrays = [name for name in members if name != SCHEMA]
    choice = rng.random()
    if choice < 0.6:
        schema = json.loads(members[SCHEMA])
        change_tree(rng, schema)
        members[SCHEMA] = json.dumps(schema).encode()
    elif choice < 0.85 and arrays:
        name = arrays[rng.integers(len(arrays))]
        members[name] = change_array(rng, members[name])
    elif choice < 0.9 or not header:
        members[SCHEMA] = change_bytes(rng, members[SCHEMA])
    else:
        change_tree(rng, header)
    if header:
        members = {HEADER: pack_header(header, members), **members}
    return pack(members)


# The trial.


class Trial:
    """A folder for the files, the models that they were, and a watch.

    Parameters
    ----------
    folder : Path
        Empty.
    """

    def __init__(self, folder):
        self.path, self.watch = folder / "model", Watch()
        self.originals, self.prints = make_originals(), {}
        # Known types may be imported on load; that they are is not what is watched for.
        for name in {*OBJECTS, *COSMOLOGIES, *FUNCTIONS, *DICTS}:
            imported(name)
        "".encode("unicode_escape")  # in which errors spell what a terminal would obey
        for name, content in self.originals.items():
            self.path.write_bytes(content)
            self.prints[name] = fingerprint(load_model(self.path))

    def outcome(self, name, content, *, is_author):
        """What load_model makes of a file that was a certain original.

        Returns
        -------
        outcome : str
        is_fine : bool
        """
        self.path.write_bytes(content)
        at_first = peak_memory()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with self.watch(TIME_LIMIT):
                    model = load_model(self.path)
        except (ValueError, OSError) as error:
            said = type(error).__name__
            is_fine = str(self.path) in str(error)
        except (Exception, TookTooLong) as error:
            said, is_fine = repr(error)[:200], False
        else:
            is_same = fingerprint(model) == self.prints[name]
            said, is_fine = "the same model", True
            if not is_same:
                said, is_fine = "another model", is_author
        if peak_memory() > at_first + MEMORY_LIMIT:
            return f"{said}, and took {peak_memory() - at_first:,} bytes", False
        if self.watch.seen:
            return f"{said}, and {self.watch.seen[0]}", False
        left = [found for found in self.path.parent.iterdir() if found != self.path]
        if left:
            return f"{said}, and left {left[0].name}", False
        return said, is_fine

    def run(self, n_inputs, seed, keep=None):
        """Counts of outcomes by enemy and original, and the outcomes that are not fine."""
        rng = np.random.default_rng(seed)
        counts, wrong = collections.Counter(), []
        # Large files take long, and most of what they hold is weights.
        share = np.array([len(content) ** -0.5 for content in self.originals.values()])
        names = rng.choice([*self.originals], n_inputs, p=share / share.sum())
        for name in names.tolist():
            is_author = bool(rng.random() < 0.6)
            content = self.originals[name]
            if is_author:
                content = by_an_author(rng, content, self.path)
            else:
                content = change_bytes(rng, content)
            said, is_fine = self.outcome(name, content, is_author=is_author)
            counts["author" if is_author else "accident", name, said] += 1
            if not is_fine:
                wrong.append((name, said))
                if keep is not None and len(wrong) <= 20:
                    (keep / f"{len(wrong)}.skops").write_bytes(content)
        return counts, wrong


def parsed_options(description):
    """What the command line says; the folder of --keep is made."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for files that went wrong")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    return options


def main():
    options = parsed_options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        at_start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        counts, wrong = trial.run(options.inputs, options.seed, options.keep)
        seconds = time.process_time() - started
    at_end = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for (enemy, name, said), n in sorted(counts.items()):
        print(f"{enemy:9} {name:17} {n:7,} {said}")
    for said in ("ValueError", "OSError", "the same model", "another model"):
        n = sum(n for key, n in counts.items() if key[2] == said)
        print(f"{'in all':27} {n:7,} {said}")
    print(
        f"{options.inputs:,} inputs in {seconds:.0f} s of one core, {len(wrong)} went wrong"
    )
    print(f"peak memory {at_start / 1024:.0f} MiB before, {at_end / 1024:.0f} after")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
