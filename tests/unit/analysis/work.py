"""How much a call does, counted so that no clock and no machine speaks: the lines of Python that it runs."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class TooMuchWork(Exception):
    """A call was ended because it ran more lines than it may."""


def lines_run(call: Callable[[], object], most: int = 10**6) -> int:
    """Lines that a call runs; raises TooMuchWork as soon as they are more than `most`."""
    run = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal run
        run += event == "line"
        if run > most:
            raise TooMuchWork(f"more than {most} lines; the last in {frame.f_code.co_qualname}")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return run
