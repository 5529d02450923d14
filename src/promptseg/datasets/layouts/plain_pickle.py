"""Reads pickle streams that hold nothing but plain containers, without the pickle machinery.

RefCOCO's annotations come as Python pickles, which may run any code when they are loaded. Here a stream is walked
instruction by instruction; only those that make lists, tuples, dicts, sets, numbers and texts are understood, and any
other, above all those that look up or call something, is refused. Nothing is ever imported or called.
"""

import pickletools
from collections.abc import Callable
from typing import Any

from promptseg.errors import FormatError

LONGEST = 256 * 1024 * 1024
"""Streams of more bytes are refused."""

_MARK = object()


def read_plain_pickle(data: bytes, what: str) -> Any:
    """Returns the value in a pickle stream; `what` names it in messages.

    Raises:
        FormatError: it holds more than plain containers, or is damaged or too long.
    """
    if len(data) > LONGEST:
        raise FormatError(f"{what} has {len(data)} bytes; plain pickles of at most {LONGEST} are read.")
    machine = _Machine(what)
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if machine.step(opcode.name, argument):
                return machine.stack[-1]
    except FormatError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{what} is a damaged pickle ({type(error).__name__}: {error}).") from error
    raise FormatError(f"{what} is a pickle without an end.")


class _Machine:
    """The stack and the memory of a stream; each instruction is a method or refused."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> bool:
        """Follows one instruction; returns whether it was the last."""
        if name == "STOP":
            return True
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _PUTS:
            self.memo[int(argument)] = self.stack[-1]
        elif name in _GETS:
            self.stack.append(self.memo[int(argument)])
        elif name in _ACTIONS:
            _ACTIONS[name](self)
        elif name not in _NOTHING:
            raise FormatError(
                f"{self.what} is a pickle that holds more than plain lists and dicts ({name}), which is not read "
                "because it could run any code. Convert it to JSON where you trust it."
            )
        return False

    def popped(self) -> list[Any]:
        """Takes everything down to the last mark off the stack."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise IndexError("a mark is missing")
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def append(self) -> None:
        value = self.stack.pop()
        _a(list, self.stack[-1]).append(value)

    def appends(self) -> None:
        values = self.popped()
        _a(list, self.stack[-1]).extend(values)

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _a(dict, self.stack[-1])[key] = value

    def set_items(self) -> None:
        values = self.popped()
        _a(dict, self.stack[-1]).update(zip(values[::2], values[1::2], strict=True))

    def add_items(self) -> None:
        values = self.popped()
        _a(set, self.stack[-1]).update(values)

    def make_list(self) -> None:
        self.stack.append(self.popped())

    def make_tuple(self) -> None:
        self.stack.append(tuple(self.popped()))

    def make_dict(self) -> None:
        values = self.popped()
        self.stack.append(dict(zip(values[::2], values[1::2], strict=True)))

    def make_frozen(self) -> None:
        self.stack.append(frozenset(self.popped()))

    def tuple_of(self, count: int) -> None:
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(values)

    def pop(self) -> None:
        self.stack.pop()

    def pop_mark(self) -> None:
        self.popped()

    def duplicate(self) -> None:
        self.stack.append(self.stack[-1])


def _a(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} expected, got {type(value).__name__}")
    return value


_VALUES = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *(
            "STRING",
            "BINSTRING",
            "SHORT_BINSTRING",
            "UNICODE",
            "BINUNICODE",
            "SHORT_BINUNICODE",
            "BINUNICODE8",
        ),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    }
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "MARK": lambda: _MARK,
}
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_NOTHING = frozenset({"PROTO", "FRAME"})
_ACTIONS: dict[str, Callable[[_Machine], None]] = {
    "MEMOIZE": _Machine.memoize,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "ADDITEMS": _Machine.add_items,
    "LIST": _Machine.make_list,
    "TUPLE": _Machine.make_tuple,
    "DICT": _Machine.make_dict,
    "FROZENSET": _Machine.make_frozen,
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
}
