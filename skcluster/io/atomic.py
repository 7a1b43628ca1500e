"""Write files atomically: a kill, a full disk or a power cut leaves the old or the new one.

Everything that skcluster stores goes through this module: models, checkpoints, tables,
photon lists, maps and folders of samples. The new content is written into a partial
file in the same folder, flushed to the disk, and only then renamed to replace the old
file.

As with an ordinary write, a new file has the permissions that the umask gives, a replaced
one keeps its own, a symbolic link stays a link (the file that it points to is replaced),
and devices and pipes such as ``/dev/stdout`` are written to, not replaced.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from ..printable import printable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NEW_FILE_MODE = 0o666  # before the umask
MANY_FILES = 16
PARTIAL = ".partial-"
"""Start of the names of folders that are being written."""
READ_WRITE_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def atomic_replace(path):
    """Open a file that replaces another one when all of it is on the disk.

    Parameters
    ----------
    path : str, bytes or path-like

    Yields
    ------
    file : binary file
        Partial file in the same folder; it is removed if anything fails.

    Raises
    ------
    OSError
        The folder is missing or read-only, or the disk is full. The message names the
        path, and the old file is unchanged.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "numbers.txt")
    ...     with atomic_replace(path) as file:
    ...         print(file.write(b"1 2 3"), os.path.exists(path))
    ...     print(os.path.getsize(path))
    5 False
    5
    """
    path = Path(os.fsdecode(path))
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        with _replacing(path) as file:
            yield file
    except OSError as error:
        raise OSError(
            error.errno or errno.EIO,
            f"{printable(path)} cannot be written: {_reason(error, path)}. What was there "
            "before is unchanged.",
        ) from error


def replace_file(path, content):
    """Write bytes as the complete content of a file, atomically.

    A killed process may leave a partial file. `remove_leftovers` removes it, but none
    that is still being written.

    Parameters
    ----------
    path : str, bytes or path-like
    content : bytes
    """
    with _replacing(Path(os.fsdecode(path))) as file:
        file.write(content)


@contextlib.contextmanager
def files_written_together(directory, names):
    """Yield a temporary folder for the named files, which then move into a directory.

    Until all of them are on the disk, the directory does not change. Each is then
    replaced atomically, in the order of `names`: last comes the one that refers to the
    others.

    Parameters
    ----------
    directory : str, bytes or path-like
        Made if it is not there.
    names : sequence of str
        Paths relative to the directory.

    Yields
    ------
    partial : Path
        Write the files here, under their names.
    """
    directory = Path(os.fsdecode(directory))
    made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _remove_partial_folders(directory)
        with _partial_folder(directory) as partial:
            parents = dict.fromkeys(Path(name).parent for name in names)
            for parent in parents:
                Path(partial, parent).mkdir(exist_ok=True)
            yield Path(partial)
            _sync_files([Path(partial, name) for name in names])
            for parent in parents:
                (directory / parent).mkdir(exist_ok=True)
            for name in names:
                _move(Path(partial, name), directory / name)
            folders = [directory / parent for parent in parents]
            for folder in (*folders, *(folder.parent for folder in made)):
                _sync_folder(folder)
    except BaseException as error:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            reason = error.strerror or printable(error)
            raise OSError(
                error.errno or errno.EIO,
                f"{printable(directory)} cannot be written ({reason}).",
            ) from error
        raise


@contextlib.contextmanager
def _partial_folder(directory):
    """Make a locked folder in a directory, and remove it at the end."""
    while True:
        with (
            tempfile.TemporaryDirectory(dir=directory, prefix=PARTIAL) as partial,
            _opened_folder(partial) as handle,
        ):
            # Where there are no locks, nothing is taken for a leftover either.
            with contextlib.suppress(OSError):
                _lock(handle)
            if os.path.exists(partial):
                yield partial
                return
        # Another process took it for a leftover before it was locked.


def _remove_partial_folders(directory):
    """Remove what dead processes left of `files_written_together` in a directory."""
    ours = re.compile(re.escape(PARTIAL) + r"\w{8}")
    for partial in directory.glob(f"{PARTIAL}*"):
        if fcntl is None or partial.is_symlink() or not ours.fullmatch(partial.name):
            continue
        # One that is being written is locked.
        with contextlib.suppress(OSError), _opened_folder(partial) as handle:
            _lock(handle, at_once=True)
            shutil.rmtree(partial)


@contextlib.contextmanager
def _opened_folder(folder):
    """Open a folder to lock it; yield None where folders cannot be locked."""
    if fcntl is None:
        yield None
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
    finally:
        os.close(handle)


def _lock(file, *, at_once=False):
    """Wait for the lock of an open file, or raise an OSError if it must be had at once."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if at_once else 0))


def check_is_free(path, overwrite):
    """Refuse a path that is a folder, or a file that may not be replaced."""
    path = Path(os.fsdecode(path))
    if path.is_dir() or (path.is_file() and not overwrite):
        raise FileExistsError(
            f"There is already a {printable(path)}. "
            + ("It is a folder." if path.is_dir() else "Give overwrite=True.")
        )


def try_to_write(path, size):
    """Write and remove a test file of `size` bytes beside a path, to see errors early.

    Parameters
    ----------
    path : Path
        Its folder is made if it is not there.
    size : int
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Random bytes, because some file systems take no space for zeros.
    with _partial_file(_resolved(path)) as file:
        file.write(os.urandom(size))
        _to_the_disk(file)


def remove_leftovers(path):
    """Remove the partial files that dead processes left beside a path.

    Parameters
    ----------
    path : Path
    """
    if fcntl is None:
        return
    path = _resolved(path)
    ours = re.compile(re.escape(_prefix(path)) + r"\w+\.part")
    for partial in path.parent.glob("*.part"):
        if not ours.fullmatch(partial.name):
            continue
        with contextlib.suppress(OSError), open(partial, "rb") as file:
            _lock(file, at_once=True)
            partial.unlink()


@contextlib.contextmanager
def _replacing(path):
    """Open the partial file of a path, and replace the path at the end."""
    path, mode = _resolved(path), None
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
    if mode is not None and not stat.S_ISREG(mode):
        # A device or a pipe: there is nothing to replace.
        with open(path, "wb") as file:
            yield file
        return
    with _partial_file(path, None if mode is None else stat.S_IMODE(mode)) as file:
        yield file
        _to_the_disk(file)
        os.replace(file.name, path)
        _sync_folder(path.parent)


def _resolved(path):
    """Return the absolute path of the file that symbolic links lead to."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "its name holds a null character")
    real = Path(os.path.realpath(path))
    # The links of /dev/stdout lead to a pipe, which has no path.
    return real if real.exists() or not os.path.exists(path) else Path(path)


def _prefix(path):
    """Return the prefix of the names of a file's partial files."""
    # Names may have 255 bytes.
    return os.fsdecode(os.fsencode(path.name)[:200]) + "."


@contextlib.contextmanager
def _partial_file(path, mode=None):
    """Open a locked file beside a path, and remove it at the end."""
    handle, partial = _new_partial_file(path, mode)
    try:
        # While this second handle is open, `remove_leftovers` sees the lock.
        lock = os.dup(handle)
        try:
            with open(handle, "wb") as file:
                # Otherwise the name of the file would be the number of its handle.
                file.raw.name = partial  # type: ignore[attr-defined]
                yield file
        finally:
            os.close(lock)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)


def _new_partial_file(path, mode):
    """Create and lock a partial file whose name starts with that of its target."""
    while True:
        partial = str(path.parent / f"{_prefix(path)}{secrets.token_hex(4)}.part")
        try:
            new_mode = NEW_FILE_MODE if mode is None else mode
            handle = os.open(partial, READ_WRITE_NEW, new_mode)
        except FileExistsError:
            continue
        if mode is not None:
            os.chmod(partial, mode)
        # Where there are no locks, `remove_leftovers` removes nothing.
        with contextlib.suppress(OSError):
            _lock(handle)
        if os.path.exists(partial):
            return handle, partial
        # Another process removed it as a leftover before it was locked.
        os.close(handle)


def _to_the_disk(file):
    file.flush()
    os.fsync(file.fileno())
    file.close()


def _sync_files(paths):
    """Flush files to the disk: one by one, or all together if there are many (faster)."""
    if len(paths) > MANY_FILES and hasattr(os, "sync"):
        os.sync()
    for path in paths:
        with open(path, "rb+") as file:
            os.fsync(file.fileno())


def _sync_folder(folder):
    """Flush a folder to the disk, so that a replacement in it outlasts a power cut."""
    if os.name != "posix":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # it can be written to, but not read
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _move(partial, path):
    """Replace a file by a partial file that is on the disk."""
    target = _resolved(path)
    try:
        if target.exists():
            os.chmod(partial, stat.S_IMODE(target.stat().st_mode))
        os.replace(partial, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # A link led to another file system.
        with open(partial, "rb") as source, _replacing(path) as file:
            shutil.copyfileobj(source, file)


def _reason(error, path):
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return f"there is no folder {printable(path.parent)}"
    return error.strerror or printable(error)
