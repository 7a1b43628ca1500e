"""`kept_memory`: keep freed memory in the process while a network trains (glibc only)."""

import contextlib
import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
MIB = 2**20


@contextlib.contextmanager
def kept_memory(wanted=True):
    """Let malloc reuse freed memory instead of handing it back to the system.

    Each step of training frees and allocates the same large activations. glibc returns
    them at once to the kernel, which must clear every page again; that takes a third of
    the time of a step. Inside this context the process keeps what it frees. Afterwards it
    returns the memory, and goes on with the largest thresholds to which glibc itself adapts
    in a program with large arrays. Without glibc, nothing happens.

    Parameters
    ----------
    wanted : bool, default=True

    Examples
    --------
    >>> with kept_memory():
    ...     pass
    """
    libc = _glibc() if wanted else None
    if libc is None:
        yield
        return
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(M_MMAP_MAX, 65536)
        libc.mallopt(M_MMAP_THRESHOLD, 32 * MIB)
        libc.mallopt(M_TRIM_THRESHOLD, 64 * MIB)
        libc.malloc_trim(0)


def _glibc():
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
