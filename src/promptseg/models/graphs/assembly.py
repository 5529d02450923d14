"""Joins a weightless ONNX graph with tensors of a checkpoint, without the onnx package.

Serialised protocol buffers merge when they are concatenated: the graph's bytes, followed by a message that holds
nothing but initialisers, parse as one model. So every engine reads the same safetensors file, the package carries
each weight once, and any checkpoint of the architecture runs on the embedded graphs.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.errors import WeightsError

_DATA_TYPES = {"float32": 1, "int64": 7}
_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_VARINT, _LENGTH = 0, 2


def assemble(graph: bytes, names: Iterable[str], tensors: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Returns the bytes of a complete ONNX model.

    Args:
        graph: a serialised ONNX model whose nodes read `names`, which it does not hold.
        names: the tensors that it needs.
        tensors: the checkpoint; float16 and bfloat16 are widened to float32.

    Raises:
        WeightsError: the checkpoint lacks a tensor that the graph reads.
    """
    parts = [graph]
    for name in names:
        if name not in tensors:
            raise WeightsError(f"The weights lack the tensor {name!r}, which the network needs.")
        parts.extend(_initializer(name, tensors[name]))
    return b"".join(parts)


def _initializer(name: str, array: npt.NDArray[Any]) -> list[bytes]:
    values = np.asarray(array, np.int64 if array.dtype.kind in "iu" else np.float32, order="C")
    raw = values.tobytes()
    head = b"".join(
        [
            *(_varint(_TENSOR_DIMS << 3 | _VARINT) + _varint(side) for side in values.shape),
            _varint(_TENSOR_TYPE << 3 | _VARINT) + _varint(_DATA_TYPES[values.dtype.name]),
            _field(_TENSOR_NAME, name.encode()),
            _varint(_TENSOR_RAW << 3 | _LENGTH) + _varint(len(raw)),
        ]
    )
    tensor = _varint(_GRAPH_INITIALIZER << 3 | _LENGTH) + _varint(len(head) + len(raw)) + head
    return [_varint(_MODEL_GRAPH << 3 | _LENGTH) + _varint(len(tensor) + len(raw)), tensor, raw]


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
