"""Tells every two seconds how far a long step is; of a short one, nothing.

It must not know what the step does, nor who reads it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SECONDS = 2.0
_MEGABYTE = 1_000_000


@contextmanager
def reporting(
    step: str, done: Callable[[], int], total: int, report: Callable[[str], None]
) -> Iterator[None]:
    """Report for as long as a ``with`` block lasts.

    Parameters
    ----------
    step
        What is being done, such as ``packing``.
    done
        Returns how many bytes of it are; 0 where it is not known.
    total
        How many bytes there are.
    report
        Called with a line of text, from a thread.
    """
    ended = threading.Event()
    started = time.monotonic()

    def follow() -> None:
        while not ended.wait(_SECONDS):
            count = done() // _MEGABYTE
            of = f"{count} of {total // _MEGABYTE} MB" if count else f"{total // _MEGABYTE} MB"
            report(f"{step}: {of}, {time.monotonic() - started:.0f} s")

    thread = threading.Thread(target=follow, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
