"""Reading and writing safetensors files, strictly: data only, and every problem is a WeightsError."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize, safe_open
from safetensors.numpy import save

from promptseg.errors import WeightsError, shorten
from promptseg.files import write_bytes

Shape = tuple[int, ...]

_PICKLE_STARTS = (b"PK\x03\x04", *(b"\x80" + bytes([protocol]) for protocol in range(1, 6)))
_NUMPY_TYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "C64": "<c8",
}


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, npt.NDArray[Any]]:
    """Reads every tensor of a file; bfloat16, which NumPy lacks, becomes float32 (exactly).

    Raises:
        WeightsError: the file is missing, truncated, of another format, or holds a type that NumPy lacks.
    """
    with _explained(path), open(path, "rb") as file:
        _refuse_pickles(file.read(4), path)
        file.seek(0)
        content = file.read()
    with _explained(path):
        stored = deserialize(content)
    del content
    if not stored:
        raise WeightsError(f"{path} holds no tensors. Give a safetensors file of a model's weights.")
    return {name: _as_array(name, tensor, path) for name, tensor in stored}


def read_given_safetensors(path: str | os.PathLike[str]) -> dict[str, npt.NDArray[Any]]:
    """Reads a file that a user gave (`read_safetensors`), and checks that all of its numbers are finite.

    Raises:
        WeightsError: one is not, or as `read_safetensors`.
    """
    tensors = read_safetensors(path)
    for name, tensor in tensors.items():
        if tensor.dtype.kind in "fc" and not np.isfinite(tensor).all():
            raise WeightsError(
                f"{path} is damaged: its tensor {name!r} holds numbers that are infinite or none (NaN). Get it anew."
            )
    return tensors


def read_shapes(path: str | os.PathLike[str]) -> dict[str, Shape]:
    """Reads the names and shapes of a file without its numbers.

    Raises:
        WeightsError: as `read_safetensors`.
    """
    with _explained(path), open(path, "rb") as file:
        _refuse_pickles(file.read(4), path)
    with _explained(path), safe_open(path, framework="np") as tensors:
        return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118


def write_safetensors(
    path: str | os.PathLike[str], tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes tensors atomically: `path` is either the whole new file or what it was before.

    Raises:
        WeightsError: a tensor's type does not exist in safetensors.
        OutputError: the file cannot be written.
    """
    dense = {name: np.asarray(tensor, tensor.dtype.newbyteorder("="), order="C") for name, tensor in tensors.items()}
    try:
        content = save(dense, dict(metadata) if metadata else None)
    except (SafetensorError, ValueError, TypeError) as error:
        raise WeightsError(f"These tensors cannot be stored as safetensors: {error}.") from error
    write_bytes(path, content)


def check_shapes(
    network: str,
    shapes: Mapping[str, Shape],
    expected: Mapping[str, Shape],
    is_unused: Callable[[str], bool] = lambda name: False,
) -> None:
    """Checks that the names and shapes are those of a network's official checkpoint.

    Args:
        network: its name, for the message.
        shapes: name and shape of every given tensor.
        expected: those that must be there.
        is_unused: which others may be there.

    Raises:
        WeightsError: names the first tensor that is missing, unexpected or of another shape.
    """
    other = f"This is not a checkpoint of {network}:"
    for key, shape in expected.items():
        if key not in shapes:
            raise WeightsError(
                f"{other} {key} is missing (expected shape {shape}; {len(shapes)} tensors were given, "
                f"{len(expected)} expected)."
            )
        if tuple(shapes[key]) != shape:
            raise WeightsError(f"{other} {key} has shape {tuple(shapes[key])}, expected {shape}.")
    for key, shape in shapes.items():
        if key not in expected and not is_unused(key):
            raise WeightsError(f"{other} {key} of shape {tuple(shape)} is unexpected.")


def count_parameters(shapes: Mapping[str, Shape]) -> int:
    """Counts the trained numbers: not BatchNorm statistics, not the fixed position matrix."""
    fixed = ("running_mean", "running_var", "num_batches_tracked", "positional_encoding_gaussian_matrix")
    return sum(int(np.prod(shape)) for name, shape in shapes.items() if not name.endswith(fixed))


def _as_array(name: str, tensor: Mapping[str, Any], path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    kind, shape = tensor["dtype"], tensor["shape"]
    if kind != "BF16" and kind not in _NUMPY_TYPES:
        raise WeightsError(f"{path}: tensor {name!r} is of type {kind}, which is not read here.")
    numbers = np.frombuffer(tensor["data"], _NUMPY_TYPES.get(kind, "<u2"))
    if kind == "BF16":
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    try:
        return numbers.reshape(shape)
    except ValueError as error:  # dozens of dimensions, or no numbers of which there would be too many
        raise WeightsError(f"{path}: tensor {name!r} has an impossible shape, {shorten(shape)}.") from error


def _refuse_pickles(start: bytes, path: str | os.PathLike[str]) -> None:
    if start.startswith(_PICKLE_STARTS):
        raise WeightsError(
            f"{path} is a pickle checkpoint, which could run code when opened. Run: promptseg models convert {path}"
        )


class _explained:
    """Turns the errors of reading `path` into WeightsErrors."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise WeightsError(f"There is no weights file {self.path}.") from error
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise WeightsError(f"The weights file {self.path} cannot be read: {reason}.") from error
        if isinstance(error, MemoryError):
            raise WeightsError(f"The weights file {self.path} does not fit into memory.") from error
        if isinstance(error, SafetensorError):
            raise WeightsError(f"{self.path} is truncated or not a safetensors file: {error}.") from error
