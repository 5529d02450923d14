"""Values kept in memory up to a number of bytes; what was not used for longest goes first."""

import threading
from collections import OrderedDict
from typing import Any


class Memory:
    """A bounded dictionary, safe across threads.

    Args:
        limit: the most bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """How many bytes the values take."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: Any) -> bool:
        return key in self._values

    def get(self, key: Any) -> Any:
        """Returns a value, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Any, value: Any, size: int) -> None:
        """Keeps a value of `size` bytes; one that is larger than all the room is not kept."""
        with self._lock:
            self._forget(key)
            if size > self._limit:
                return
            self._values[key] = (value, size)
            self._bytes += size
            while self._bytes > self._limit:
                self._forget(next(iter(self._values)))

    def drop(self, *keys: Any) -> None:
        """Forgets values."""
        with self._lock:
            for key in keys:
                self._forget(key)

    def _forget(self, key: Any) -> None:
        _, size = self._values.pop(key, (None, 0))
        self._bytes -= size
