"""safetensors in and out: exact, strict, never another exception than ours."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from promptseg.errors import OutputError, WeightsError
from promptseg.models.network import Network
from promptseg.models.tensors import count_parameters, read_safetensors, read_shapes, write_safetensors

TENSORS = {
    "half": np.arange(6, dtype=np.float16).reshape(2, 3),
    "single": np.linspace(-1, 1, 5, dtype=np.float32),
    "scalar": np.array(3, np.int64),
    "empty": np.zeros((0, 4), np.float32),
    "flags": np.array([True, False]),
    "bytes": np.arange(9, dtype=np.uint8),
}


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.safetensors"
    write_safetensors(path, TENSORS, {"licence": "Apache-2.0"})
    back = read_safetensors(path)
    assert back.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        assert np.array_equal(back[name], tensor)
    assert read_shapes(path) == {name: tensor.shape for name, tensor in TENSORS.items()}
    assert list(path.parent.iterdir()) == [path]


def test_views_and_foreign_byte_order_are_written_right(tmp_path: Path) -> None:
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    odd = {"turned": base.T, "every second": base[:, ::2], "big": base.astype(">f4"), "backwards": base[::-1]}
    write_safetensors(tmp_path / "a", odd)
    for name, tensor in read_safetensors(tmp_path / "a").items():
        assert np.array_equal(tensor, odd[name]), name


def test_bfloat16_becomes_float32_exactly(tmp_path: Path) -> None:
    values = torch.tensor([[0.0, -1.5, 3.140625], [float("inf"), 1e-38, -65280.0]], dtype=torch.bfloat16)
    safetensors.torch.save_file({"a": values, "none": values[:0]}, tmp_path / "a")
    back = read_safetensors(tmp_path / "a")
    assert back["a"].dtype == np.float32
    assert np.array_equal(back["a"], values.float().numpy())
    assert back["none"].shape == (0, 3)


def test_types_that_numpy_lacks_are_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(2, dtype=torch.float8_e4m3fn)}, tmp_path / "a")
    with pytest.raises(WeightsError, match="F8_E4M3"):
        read_safetensors(tmp_path / "a")
    with pytest.raises(WeightsError, match="cannot be stored"):
        write_safetensors(tmp_path / "b", {"a": np.array(["text"])})
    assert not (tmp_path / "b").exists()


def test_pickles_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    for new_form in (True, False):
        torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=new_form)
        for read in (read_safetensors, read_shapes):
            with pytest.raises(WeightsError, match=f"pickle checkpoint.*promptseg models convert {path}"):
                read(path)


def header(content: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(content).encode() if not isinstance(content, bytes) else content
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(start: int, end: int, shape: list[int] | None = None, kind: str = "U8") -> dict:
    return {"dtype": kind, "shape": [end - start] if shape is None else shape, "data_offsets": [start, end]}


DAMAGED = {
    "empty": b"",
    "short": b"\x08\0\0",
    "text": b"just some words, nothing else",
    "not json": header(b"{nonsense"),
    "header too long": header({}, length=2**40),
    "header negative": header({}, length=2**64 - 1),
    "body missing": header({"a": entry(0, 4)}, b"ab"),
    "body too long": header({"a": entry(0, 4)}, b"abcdefgh"),
    "overlap": header({"a": entry(0, 4), "b": entry(2, 6)}, b"abcdef"),
    "hole": header({"a": entry(0, 2), "b": entry(4, 6)}, b"abcdef"),
    "wrong shape": header({"a": entry(0, 4, [5])}, b"abcd"),
    "huge shape": header({"a": entry(0, 4, [2**62, 2**62])}, b"abcd"),
    "unknown type": header({"a": entry(0, 4, kind="X9")}, b"abcd"),
    "backwards": header({"a": entry(4, 0, [4])}, b"abcd"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(DAMAGED[case])
    for read in (read_safetensors, read_shapes):
        with pytest.raises(WeightsError, match="truncated or not a safetensors file"):
            read(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for read in (read_safetensors, read_shapes):
        with pytest.raises(WeightsError, match="There is no weights file"):
            read(tmp_path / "missing")
        with pytest.raises(WeightsError, match="cannot be read"):
            read(tmp_path)
    with pytest.raises(OutputError):
        write_safetensors(tmp_path, TENSORS)


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("valid") / "a"
    write_safetensors(path, TENSORS)
    return path.read_bytes()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_cut_or_changed_files(data: st.DataObject, valid: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = bytearray(valid)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for read in (read_safetensors, read_shapes):
        try:
            read(path)
        except WeightsError:
            continue


def test_counting_parameters() -> None:
    shapes = {
        "a.weight": (3, 4),
        "a.running_mean": (3,),
        "a.running_var": (3,),
        "a.num_batches_tracked": (),
        "pe_layer.positional_encoding_gaussian_matrix": (2, 128),
        "scale": (),
    }
    assert count_parameters(shapes) == 13


def test_an_empty_file_is_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "none.safetensors"
    write_safetensors(path, {})
    with pytest.raises(WeightsError, match="holds no tensors"):
        read_safetensors(path)
    with pytest.raises(WeightsError, match="holds no tensors"):
        Network.load(weights=path)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_of_given_weights_are_finite(tmp_path: Path, wrong: float) -> None:
    path = tmp_path / "nan.safetensors"
    tensors = dict(Network.load().tensors)
    name = sorted(name for name, tensor in tensors.items() if tensor.dtype.kind == "f")[3]
    damaged = tensors[name].copy()
    damaged.reshape(-1)[-1] = wrong
    write_safetensors(path, {**tensors, name: damaged})
    with pytest.raises(WeightsError, match=f"tensor '{name}' holds numbers that are infinite"):
        Network.load(weights=path)
    write_safetensors(path, tensors)
    assert Network.load(weights=path).source == path
