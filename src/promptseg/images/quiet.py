"""Keeping Pillow's warnings (bombs, odd EXIF, cut tags) from the caller, also while threads decode."""

import contextlib
import threading
import warnings
from collections.abc import Generator

_lock = threading.Lock()
_users = 0
_scope: "warnings.catch_warnings[None] | None" = None


@contextlib.contextmanager
def quiet_pillow() -> Generator[None]:
    """Ignores warnings issued by Pillow's own modules inside the block; all others still pass.

    Python's warning filters belong to the process: the scopes of several threads would restore one another's
    filters in the wrong order. Here the first thread in sets the filter and the last one out takes it away.
    """
    global _users, _scope
    with _lock:
        if _users == 0:
            _scope = warnings.catch_warnings()
            _scope.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _scope is not None:
                _scope.__exit__(None, None, None)
                _scope = None
