"""Letting long work be stopped: who waits for it gives a check, and every loop that grows with its input calls it.

The check belongs to the thread or task that works, so masks and formats need to know nothing of servers and deadlines.
"""

import contextlib
import contextvars
from collections.abc import Callable, Generator

_check: contextvars.ContextVar[Callable[[], object] | None] = contextvars.ContextVar("check", default=None)


def check_stop() -> None:
    """Raises what the one who waits wants raised, if the work is to end; long loops call it every few milliseconds."""
    check = _check.get()
    if check is not None:
        check()


@contextlib.contextmanager
def stoppable(check: Callable[[], object]) -> Generator[None]:
    """Lets `check` end the work of the block: it raises to do so."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)
