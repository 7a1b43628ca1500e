"""Checkpoints: one file per fit, from which a stopped fit continues bit for bit."""

import contextlib
import hashlib
import io
import json
import os
import pickle
import warnings
from pathlib import Path

import joblib
import numpy as np
import torch
from skorch.callbacks import Callback

from ..io.atomic import remove_leftovers, replace_file, try_to_write
from ..printable import counted, printable
from ..progress import say
from ..versions import __version__
from .training_history import plain_history

FORMAT = 1
DIGEST_SIZE = hashlib.sha256().digest_size
STATES_PER_FILE = 5
"""Largest size of a file in units of the network's: its weights, the best and the averaged
ones, and Adam's two moments."""
MIB = 2**20


class Checkpoint(Callback):
    """Callback that stores the state of a fit in one file, after each epoch and at the end.

    The new file replaces the old one atomically, after it has reached the disk, so there
    is always a complete one. Its first line says in JSON which fit it belongs to, how many
    epochs it holds and whether training is finished; its end is a checksum.

    Parameters
    ----------
    path : Path
        The file; its name distinguishes this fit from all others.
    label : str, default="The fit"
        Name of the fit in messages.
    verbose : int, default=0
        With 1 or more, say after which epoch the fit continues.
    """

    def __init__(self, path, label="The fit", verbose=0):
        self.path = path
        self.label = label
        self.verbose = verbose
        self.n_kept = 0
        self.is_finished = False
        self.state = None

    def restore(self, net):
        """Read the file, and return the number of epochs that it holds.

        The net of a finished fit is then ready to use. Otherwise this tries whether files
        can be written, and the state is restored when training begins.
        """
        header, self.state = self._read(net.device)
        self.n_kept = header.get("epochs", 0)
        self.is_finished = header.get("finished", False)
        if self.is_finished:
            self._restore_weights(net, self.state)
            self.state = None
            self._say(
                f"is finished: {counted(self.n_kept, 'epoch')}, from {self._shown}"
            )
            return self.n_kept
        self._try_out(net)
        if self.n_kept:
            self._say(f"goes on after epoch {self.n_kept}, from {self._shown}")
        return self.n_kept

    def on_train_begin(self, net, **kwargs):
        # Here and not in `restore`, because other callbacks reset their state before this.
        if self.state is None:
            return
        state, self.state = self.state, None
        self._restore_weights(net, state)
        net.optimizer_.load_state_dict(state["optimizer"])
        for name, callback in net.callbacks_:
            _restore_learned(callback, state["callbacks"].get(name, {}))
        _restore_generators(net, state["generators"])

    def on_epoch_end(self, net, **kwargs):
        if self.is_finished:
            return
        self._keep(
            net,
            optimizer=net.optimizer_.state_dict(),
            callbacks={
                name: _learned(callback)
                for name, callback in net.callbacks_
                if name != "print_log"  # shows the head of its table again
            },
            generators=_generators(net),
        )

    def on_train_end(self, net, **kwargs):
        if self.is_finished or net.interrupted_:
            return
        self.is_finished = True
        self._keep(net)

    @property
    def _shown(self):
        return printable(self.path)

    def _restore_weights(self, net, state):
        try:
            net.module_.load_state_dict(state["module"])
            net.criterion_.load_state_dict(state["criterion"])
        except RuntimeError as error:
            raise ValueError(
                f"{self._shown} holds another network than the present code builds "
                f"({error}). Delete it to train anew."
            ) from error
        net.history.extend({**row, "batches": []} for row in state["history"])

    def _keep(self, net, **state):
        state |= {
            "module": net.module_.state_dict(),
            "criterion": net.criterion_.state_dict(),
            "history": plain_history(net.history),
        }
        n_epochs = len(net.history)
        header = {
            "checkpoint": FORMAT,
            "fit": self.path.stem,
            "epochs": n_epochs,
            "finished": self.is_finished,
        }
        content = _encoded(header, state)
        try:
            replace_file(self.path, content)
        except OSError as error:
            raise _like(
                error,
                f"The checkpoint of epoch {n_epochs} cannot be written to {self._shown} "
                f"({error.strerror}). {self._what_is_kept()} {self._way_out(len(content))}",
            ) from error
        self.n_kept = n_epochs

    def _try_out(self, net):
        """Write and remove a test file of the size of the next one, in the same folder."""
        weights = net.module_.state_dict().values()
        size = sum(weight.numel() * weight.element_size() for weight in weights)
        size *= STATES_PER_FILE * (1 if self.n_kept else 2)
        try:
            remove_leftovers(self.path)
            try_to_write(self.path, size)
        except OSError as error:
            raise _like(
                error,
                "No checkpoint can be written to checkpoint_dir="
                f"'{printable(self.path.parent)}' ({error.strerror}), so training has not "
                f"begun. {self._what_is_kept()} "
                f"{self._way_out(size)}",
            ) from error

    def _read(self, device):
        """Return the header and the state in the file; {} and None if it is not usable."""
        try:
            return _decoded(self.path.read_bytes(), self.path.stem, device)
        except (FileNotFoundError, NotADirectoryError):
            return {}, None
        except OSError as error:
            raise _like(
                error,
                f"The checkpoint {self._shown} cannot be read ({error.strerror}). Make it "
                "readable, or delete it to train anew.",
            ) from error
        except ValueError as error:
            warnings.warn(
                f"{self._shown} is not a usable checkpoint: {error}. {self.label} begins "
                "anew, with the same result, and replaces the file.",
                UserWarning,
                stacklevel=2,
            )
            return {}, None

    def _what_is_kept(self):
        if self.n_kept == 0:
            return "There is no earlier one."
        return f"That of epoch {self.n_kept} is kept, and the same fit goes on from it."

    def _way_out(self, size):
        return (
            f"Make room for {size / MIB:.1f} MiB there, or move the files that are there "
            "to a writable folder and give that as checkpoint_dir."
        )

    def _say(self, text):
        say(f"{self.label} {text}", verbose=self.verbose)


def checkpoint_path(folder, name, *parts):
    """Path of the file of one fit, whose name ends in a hash of all that sets the result.

    Parameters
    ----------
    folder : str or path-like
        A leading ``~`` is the home directory.
    name : str
    *parts : object
        Parameters, arrays and seeds of the fit.

    Examples
    --------
    >>> one, same, other = (checkpoint_path("kept", "fit", lr) for lr in (0.1, 0.1, 0.2))
    >>> one.parent.name, one == same, one == other
    ('kept', True, False)
    """
    try:
        # Other versions may train differently; a memory map counts like its array.
        key = joblib.hash((FORMAT, __version__, parts), coerce_mmap=True)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"checkpoint_dir needs parameters that can be pickled, to distinguish fits "
            f"({error}). Define callbacks and their functions in a module."
        ) from error
    return Path(os.path.expanduser(folder)) / f"{name}-{key}.checkpoint"


def _encoded(header, state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = json.dumps(header).encode() + b"\n" + buffer.getvalue()
    return content + hashlib.sha256(content).digest()


def _decoded(content, name, device):
    content, digest = content[:-DIGEST_SIZE], content[-DIGEST_SIZE:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("it was cut off or altered (its checksum is wrong)")
    line, state = content.split(b"\n", 1)
    header = json.loads(line)
    if header["fit"] != name:
        raise ValueError(f"it belongs to another fit ({header['fit']})")
    try:
        return header, torch.load(io.BytesIO(state), device, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"torch {torch.__version__} refuses to read it") from error


def _generators(net):
    states = {
        "torch": torch.get_rng_state(),
        "batches": net.iterator_train__generator.get_state(),
    }
    if torch.device(net.device).type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(net.device)
    return states


def _restore_generators(net, states):
    torch.set_rng_state(states["torch"].cpu())
    net.iterator_train__generator.set_state(states["batches"].cpu())
    if "cuda" in states and torch.device(net.device).type == "cuda":
        torch.cuda.set_rng_state(states["cuda"].cpu(), net.device)


def _learned(callback):
    """Return the learned attributes of a callback that can be stored without code."""
    learned = {}
    for name, value in vars(callback).items():
        if _is_learned(name) and not isinstance(value, type):
            value = value.state_dict() if _has_state(value) else value
            with contextlib.suppress(TypeError):
                learned[name] = _storable(value)
    return learned


def _restore_learned(callback, learned):
    """Restore attributes of a callback, but none that the callback does not declare."""
    for name in filter(_is_learned, learned):
        if not hasattr(callback, name):
            continue
        present, value = getattr(callback, name), learned[name]
        if _has_state(present):
            declared = present.state_dict()
            present.load_state_dict(
                {key: value[key] for key in declared if key in value}
            )
        elif not callable(present):
            setattr(callback, name, value)


def _is_learned(name):
    return name.endswith("_") and not name.startswith("_")


def _has_state(value):
    """Return whether a value stores its state as torch's learning-rate schedulers do."""
    return hasattr(value, "state_dict") and hasattr(value, "load_state_dict")


def _storable(value):
    """Convert a value to types that torch.load(weights_only=True) reads, or refuse it."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {_storable(key): _storable(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_storable, value))
    if value is None or isinstance(value, int | float | str | torch.Tensor):
        return value
    raise TypeError(f"{type(value).__name__} cannot be stored.")


def _like(error, message):
    """Return an error of the same type and number with another message."""
    other = type(error)(message)
    other.errno = error.errno
    return other
