"""Set torch's process-wide settings as networks need them, and restore the caller's."""

import contextlib
import os
import threading
import warnings

import torch

BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")

_lock = threading.RLock()
_is_forked = False
_running: list[tuple] = []
"""Open sessions, outermost first: thread, and `contextlib.ExitStack` of its settings."""


@contextlib.contextmanager
def torch_session(seed=None, device="cpu", n_threads=None):
    """Context with torch's default settings, after which the caller's are restored.

    Seed and settings belong to the process, so one session runs at a time: otherwise two
    fits in a pool of threads would draw from each other's random numbers.

    Parameters
    ----------
    seed : int, default=None
        Seed of torch's generators; None leaves them alone.
    device : str or torch.device, default="cpu"
    n_threads : int, default=None
        Threads of torch on the CPU; None leaves their number. A process that was forked
        from one with torch always uses 1.

    Examples
    --------
    >>> torch.set_default_dtype(torch.float64)
    >>> with torch_session():
    ...     print(torch.zeros(1).dtype)
    torch.float32
    >>> torch.zeros(1).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    device = torch.device(device)
    with (
        _lock,
        contextlib.ExitStack() as of_thread,
        contextlib.ExitStack() as of_process,
    ):
        _usual_in_thread(of_thread, device, seed)
        _running.append((threading.get_ident(), of_process))
        of_process.callback(_running.pop)
        _usual_in_process(of_process, n_threads)
        if seed is not None:
            torch.manual_seed(seed)
        yield


def _usual_in_thread(stack, device, seed):
    """Enter torch's default modes of this thread, and store its generators' states."""
    if seed is not None:
        devices = [device] if device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=devices))
    if torch.get_default_device().type != "cpu":
        stack.enter_context(torch.device("cpu"))
    stack.enter_context(torch.inference_mode(False))
    stack.enter_context(torch.enable_grad())
    stack.enter_context(torch.autocast(device.type, enabled=False))


def _usual_in_process(stack, n_threads):
    """Set torch's default arithmetic, and let a stack restore the previous settings."""
    stack.enter_context(torch.autograd.set_detect_anomaly(False))
    stack.enter_context(
        torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    )
    for read, write, usual in _settings():
        before = read()
        if before not in usual:
            stack.callback(write, before)
            write(usual[0])
    # A forked process waits forever for the threads of GNU's OpenMP, which stayed behind.
    n_threads = 1 if _is_forked else n_threads
    if n_threads is not None:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(n_threads)


def _settings():
    """Yield the getter, the setter and the default values of each process-wide setting."""
    yield torch.get_default_dtype, torch.set_default_dtype, [torch.float32]
    yield _determinism, _set_determinism, [(False, False)]
    yield _flushes_subnormals, torch.set_flush_denormal, [False]
    yield _matmul_precision, torch.set_float32_matmul_precision, ["highest"]
    backends, mkldnn = torch.backends, torch.backends.mkldnn
    yield *_attribute(mkldnn, "enabled"), [True]
    if hasattr(backends, "fp32_precision"):
        # The general one first: a special one that is not set reads like the general one.
        for owner in (backends, mkldnn.matmul, mkldnn.conv):  # type: ignore[attr-defined]
            yield *_attribute(owner, "fp32_precision"), ["ieee", "none"]


def _attribute(owner, name):
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _determinism():
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    return torch.are_deterministic_algorithms_enabled(), warns


def _set_determinism(enabled_and_warns):
    enabled, warns = enabled_and_warns
    torch.use_deterministic_algorithms(enabled, warn_only=warns)


def _flushes_subnormals():
    return bool(torch.full((1,), 2.0**-126, dtype=torch.float32).div(2) == 0)


def _matmul_precision():
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # It was set by the newer names only, which are read below.
        return "highest"


def _forget_other_threads():
    """After a fork, free the lock and undo the settings of sessions of other threads."""
    global _lock, _is_forked
    _lock, _is_forked = threading.RLock(), True
    here = threading.get_ident()
    while _running and _running[-1][0] != here:
        # The seeds stay: the generator itself may be locked by the thread that is gone.
        _running[-1][1].close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)


def resolve_device(device):
    """Return the device to use: a GPU, if there is one, for "auto"."""
    has_gpu = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if has_gpu else "cpu"
    if str(device).startswith("cuda") and not has_gpu:
        raise ValueError(
            f"device={device!r}, but torch finds no GPU here. Give device='auto' or 'cpu', "
            "or install a build of torch with CUDA."
        )
    return device


def has_bfloat16(device):
    """Return whether a device has bfloat16; False only for CPUs known to emulate it."""
    if torch.device(device).type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return True
    found = torch.cpu.get_capabilities()
    known = [found[name] for name in BFLOAT16_INSTRUCTIONS if name in found]
    return any(known) or not known


def warn_of_slow_arithmetic(precision, device):
    """Warn of bfloat16 on a CPU that must emulate it."""
    if precision == "bfloat16" and not has_bfloat16(resolve_device(device)):
        warnings.warn(
            "This CPU has no bfloat16 arithmetic (such as AVX512_BF16), and training "
            "in it can take ten times as long. Give precision='float32'.",
            UserWarning,
            stacklevel=3,
        )
