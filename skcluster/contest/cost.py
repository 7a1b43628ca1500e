"""What training costs: time, peak memory, and numbers that are learned."""

import contextlib
import ctypes
import gc
import time
from pathlib import Path

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import Bunch

from ..estimator_parts import n_weights, parts

PROCESS = Path("/proc/self")
RESET_PEAK = "5"
"""What Linux takes, written to /proc/self/clear_refs, to begin a new peak."""
LEARNED = ("coef_", "intercept_", "slope_")


def measured(function):
    """Call a function, and measure its cost.

    Parameters
    ----------
    function : callable
        Takes no arguments.

    Returns
    -------
    result : object
        What the function returns.
    cost : Bunch
        ``seconds``, by the clock; ``cpu_seconds`` of all threads; ``peak_mib``, the most
        memory that the process held beyond what it held at the start [MiB], NaN except on
        Linux.

    Examples
    --------
    >>> _, cost = measured(lambda: np.ones(2**24).sum())
    >>> bool(np.isnan(cost.peak_mib) or 100 < cost.peak_mib < 200)
    True
    """
    gc.collect()
    _return_free_memory()
    before = _memory("VmRSS") if _reset_peak() else np.nan
    seconds, cpu_seconds = time.perf_counter(), time.process_time()
    result = function()
    return result, Bunch(
        seconds=time.perf_counter() - seconds,
        cpu_seconds=time.process_time() - cpu_seconds,
        peak_mib=_memory("VmHWM") - before,
    )


def count_learned(estimator):
    """Count the numbers that the regressors in a fitted estimator predict with.

    Parameters
    ----------
    estimator : fitted estimator
        It may have ``n_parameters_``, which is taken then.

    Returns
    -------
    n_parameters : int
        Weights of networks, coefficients of linear models and of power laws, and nodes of
        trees. 0 if none are known.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> count_learned(LinearRegression().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1]))
    3
    """
    own = getattr(estimator, "n_parameters_", None)
    if own is not None:
        return int(own)
    total = 0
    for part, state in parts(estimator):
        if "weights_" in state:
            total += n_weights(state)
        elif hasattr(part, "tree_"):
            total += part.tree_.node_count
        elif is_regressor(part):
            total += sum(np.size(state[name]) for name in LEARNED if name in state)
            total += _half_of_symmetric(state.get("covariance_"))
    return int(total)


def _half_of_symmetric(matrices):
    """Count the different numbers in symmetric matrices."""
    if matrices is None:
        return 0
    n_rows = np.shape(matrices)[-1]
    return np.size(matrices) // n_rows * (n_rows + 1) // 2


def _return_free_memory():
    """Return free memory to the system, where malloc is that of glibc."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak():
    try:
        (PROCESS / "clear_refs").write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def _memory(name):
    """Return a line of /proc/self/status in MiB, NaN where there is none."""
    try:
        lines = (PROCESS / "status").read_text().splitlines()
    except OSError:
        return np.nan
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return np.nan
