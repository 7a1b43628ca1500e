"""Calls, and the seconds that they take."""

import time
from typing import Any, NamedTuple


class Timed(NamedTuple):
    """What a call returns, and its seconds by the processor and by the clock."""

    result: Any
    cpu: float
    wall: float


def timed(function, *arguments, **options):
    """Call a function, and say how long it takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = function(*arguments, **options)
    return Timed(result, time.process_time() - cpu, time.perf_counter() - wall)
