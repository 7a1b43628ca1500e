"""Files that are replaced at a stroke and outlast a kill, a full disk and a reboot."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def replace_file(path, content):
    """Write bytes to the disk beside a path, then put them in its place.

    Whatever stops this, there is the old file or the new one, and a part of the new one
    at worst, which `remove_leftovers` knows from a file that is still being written.

    Parameters
    ----------
    path : Path
    content : bytes
    """
    with _part_beside(path) as file:
        file.write(content)
        _to_the_disk(file)
        os.replace(file.name, path)
        _sync_folder(path.parent)


@contextlib.contextmanager
def replaced_at_a_stroke(path):
    """A file to write that takes the place of another when all of it is on the disk.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    file : binary file
        In the same folder; it is gone if anything fails.

    Raises
    ------
    OSError
        The folder is missing or read-only, or the disk is full: at once, and the old
        file is as it was.
    """
    path = Path(os.path.abspath(path))
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        with _part_beside(path) as file:
            yield file
            _to_the_disk(file)
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} cannot be written: {error.strerror}. What was there is as it was.",
        ) from error
    _sync_folder(path.parent)


def try_to_write(path, size):
    """Write and remove a file of `size` bytes beside a path, to see an error now.

    Parameters
    ----------
    path : Path
        Its folder is made.
    size : int
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Random bytes, because some file systems store zeros in no space.
    with _part_beside(path) as file:
        file.write(os.urandom(size))
        _to_the_disk(file)


def remove_leftovers(path):
    """Remove what dead processes left half-written beside a path.

    Parameters
    ----------
    path : Path
    """
    if fcntl is None:
        return
    for partial in path.parent.glob(f"{path.name}.*.part"):
        with contextlib.suppress(OSError), open(partial, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()


@contextlib.contextmanager
def _part_beside(path):
    """A file to write whose name tells what it is a part of; gone at the end."""
    # Names may have 255 bytes.
    prefix = os.fsdecode(os.fsencode(path.name)[:200])
    handle, partial = tempfile.mkstemp(".part", f"{prefix}.", path.parent)
    os.close(handle)
    try:
        with open(partial, "wb") as file, _claimed(partial):
            yield file
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)


def _to_the_disk(file):
    file.flush()
    os.fsync(file.fileno())
    file.close()


@contextlib.contextmanager
def _claimed(path):
    """Lock a file that is being written; the system unlocks it when the process dies."""
    if fcntl is None:
        yield
        return
    with open(path, "rb") as file:
        # Where there are no locks, nothing is taken for a leftover either.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync_folder(folder):
    """Make a replacement outlast a reboot, where folders can be synchronized."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
