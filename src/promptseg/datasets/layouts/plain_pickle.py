"""Reads pickle streams that hold nothing but plain containers; the only place where anything is unpickled.

RefCOCO's annotations come as Python pickles, which may run any code when they are loaded. So a stream is looked through
first: it may hold only instructions that make lists, tuples, dicts, sets, numbers and texts, each argument must be as
long as it says, and no memory may be asked for that the stream does not fill. Then it is loaded by an unpickler that
finds no class and no function at all (Python's manual, "Restricting Globals").
"""

import io
import pickle
import pickletools
from typing import Any, NoReturn

from promptseg.errors import FormatError

LONGEST = 256 * 1024 * 1024
"""Streams of more bytes are refused."""

_NAMES = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE "
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT "
    "STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "BINBYTES SHORT_BINBYTES BINBYTES8 "
    "EMPTY_LIST EMPTY_TUPLE EMPTY_DICT EMPTY_SET LIST TUPLE TUPLE1 TUPLE2 TUPLE3 DICT FROZENSET "
    "APPEND APPENDS SETITEM SETITEMS ADDITEMS "
    "PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET"
)
_PLAIN = frozenset(_NAMES.split())
"""The instructions that are followed; none of them looks anything up or calls anything."""

_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")


def read_plain_pickle(data: bytes, what: str) -> Any:
    """Returns the value in a pickle stream; `what` names it in messages.

    Raises:
        FormatError: it holds more than plain containers, or is damaged or too long.
    """
    if len(data) > LONGEST:
        raise FormatError(f"{what} has {len(data)} bytes; plain pickles of at most {LONGEST} are read.")
    try:
        _look_through(data, what)
        return _PlainUnpickler(io.BytesIO(data), encoding="latin-1").load()
    except FormatError:
        raise
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{what} is a damaged pickle ({type(error).__name__}: {error}).") from error


def _look_through(data: bytes, what: str) -> None:
    """Refuses all instructions but plain ones, and places in the memory beyond those that are filled by turns."""
    kept = 0
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _PLAIN:
            raise FormatError(
                f"{what} is a pickle that holds more than plain lists and dicts ({opcode.name}), which is not read "
                "because it could run any code. Convert it to JSON where you trust it."
            )
        if opcode.name in _PUTS:
            kept += 1
            if argument is None or not 0 <= int(argument) <= kept:
                raise FormatError(f"{what} is a damaged pickle: it keeps value {kept} at {argument}.")


class _PlainUnpickler(pickle.Unpickler):
    """Makes containers, numbers and texts; whatever else a stream names does not exist."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        """Finds nothing."""
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")

    def persistent_load(self, pid: Any, /) -> NoReturn:
        """Finds nothing."""
        raise pickle.UnpicklingError(f"it names an object from outside, {pid!r}")
