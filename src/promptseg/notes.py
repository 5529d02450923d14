"""Words beside a result: what a caller should know of an input that was read, though it is no error.

A note is a Python warning of the class `Note`, unless somebody listens: the command line prints notes in one line each,
the server sends them with its answer.
"""

import contextlib
import contextvars
import warnings
from collections.abc import Callable, Generator


class Note(UserWarning):
    """What a caller should know of an input that was read."""


_listener: contextvars.ContextVar[Callable[[str], object] | None] = contextvars.ContextVar("listener", default=None)


def note(text: str) -> None:
    """Tells the listener of this thread or task, or warns."""
    tell = _listener.get()
    if tell is None:
        warnings.warn(text, Note, stacklevel=2)
    else:
        tell(text)


@contextlib.contextmanager
def told(tell: Callable[[str], object]) -> Generator[None]:
    """Gives the notes of the block to `tell`, each once."""
    seen: set[str] = set()

    def once(text: str) -> None:
        if text not in seen:
            seen.add(text)
            tell(text)

    token = _listener.set(once)
    try:
        yield
    finally:
        _listener.reset(token)
