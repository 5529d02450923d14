"""Conversion of PyTorch checkpoints: exact for honest ones, harmless for others."""

import json
import os
import pickle
import re
import subprocess
import sys
import textwrap
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from promptseg.errors import OutputError, UnavailableError, WeightsError
from promptseg.models import convert
from promptseg.models.convert import convert_checkpoint, record_path
from promptseg.models.registry import get_card
from promptseg.models.store import file_sha256
from promptseg.models.tensors import read_safetensors

STATE = {
    "a.weight": torch.arange(6.0).reshape(2, 3).T,
    "a.bias": torch.ones(3, dtype=torch.float16),
    "bn.num_batches_tracked": torch.tensor(7),
}


def same(path: Path, state: dict[str, torch.Tensor] = STATE) -> bool:
    back = read_safetensors(path)
    return back.keys() == state.keys() and all(np.array_equal(back[k], v.numpy()) for k, v in state.items())


@pytest.mark.parametrize(
    ("form", "legacy"),
    [
        ("plain", False),
        ("plain", True),
        ("model", True),
        ("state_dict", False),
        ("module", False),
        ("parameters", True),
    ],
)
def test_honest_checkpoints(form: str, legacy: bool, tmp_path: Path) -> None:
    content = {
        "plain": OrderedDict(STATE),
        "model": {"model": STATE, "epoch": 3},
        "state_dict": {"state_dict": STATE},
        "module": {f"module.{name}": tensor for name, tensor in STATE.items()},
        "parameters": {
            name: torch.nn.Parameter(tensor) if tensor.is_floating_point() else tensor for name, tensor in STATE.items()
        },
    }[form]
    source = tmp_path / "a b.pth"
    torch.save(content, source, _use_new_zipfile_serialization=not legacy)
    target = convert_checkpoint(source, tmp_path / "new" / "a.safetensors")
    assert same(target)
    record = json.loads(record_path(target).read_text())
    assert record == {"sha256": file_sha256(target), "bytes": target.stat().st_size, "origin": "a b.pth"}
    assert sorted(os.listdir(target.parent)) == ["a.safetensors", "a.safetensors.json"]


def test_shared_memory_and_partial_prefixes(tmp_path: Path) -> None:
    base = torch.arange(10.0)
    state = {"module.a": base, "b": base[2:5], "c": base}
    torch.save(state, tmp_path / "a.pt")
    assert same(convert_checkpoint(tmp_path / "a.pt", tmp_path / "a"), state)


class Evil:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


@pytest.mark.parametrize(("where", "legacy"), [("top", False), ("inside", True), ("top", None), ("inside", False)])
def test_malicious_pickles_do_nothing(legacy: bool | None, where: str, tmp_path: Path) -> None:
    source, target, proof = tmp_path / "evil.pth", tmp_path / "out.safetensors", tmp_path / "proof"
    evil = Evil(f"touch {proof}")
    content = evil if where == "top" else {"a": torch.zeros(1), "b": evil}
    if legacy is None:
        source.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, source, _use_new_zipfile_serialization=not legacy)
    target.write_text("what was there before")
    with pytest.raises(WeightsError, match=r"refused\. Nothing was run") as caught:
        convert_checkpoint(source, target)
    assert not proof.exists()
    assert "weights_only" not in str(caught.value)  # torch's advice to switch the safety off
    assert target.read_text() == "what was there before"
    assert sorted(os.listdir(tmp_path)) == ["evil.pth", "out.safetensors"]


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ([1, 2], "no dictionary of tensors"),
        ({}, "no dictionary of tensors"),
        ({"a": 3}, "'a' is a int, not a tensor"),
        ({1: torch.zeros(1)}, "entry 1"),
        ({"a": {"b": torch.zeros(1)}}, "'a' is a dict"),
        ({"a": torch.zeros(3).to_sparse()}, "sparse"),
        ({"a": torch.zeros(3, dtype=torch.complex128)}, "cannot be stored"),
    ],
)
def test_other_contents(content: object, hint: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=hint):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert os.listdir(tmp_path) == ["a.pth"]


@pytest.mark.parametrize("kind", ["empty", "text", "half a zip", "half a pickle"])
def test_damaged_files(kind: str, tmp_path: Path) -> None:
    source = tmp_path / "a.pth"
    torch.save(STATE, source, _use_new_zipfile_serialization=kind == "half a zip")
    whole = source.read_bytes()
    source.write_bytes({"empty": b"", "text": b"just words"}.get(kind, whole[: len(whole) // 2]))
    with pytest.raises(WeightsError, match="was not converted"):
        convert_checkpoint(source, tmp_path / "out")
    assert os.listdir(tmp_path) == ["a.pth"]


def test_the_wrong_model_is_refused(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="9 parameters, but sam-vit-b has 93,735,472"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "b", get_card("vit_b"))
    assert os.listdir(tmp_path) == ["a.pth"]


def test_paths_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="There is no checkpoint file"):
        convert_checkpoint(tmp_path / "missing.pth", tmp_path / "a")
    torch.save(STATE, tmp_path / "a.pth")
    with pytest.raises(OutputError, match="Cannot write"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.pth" / "b")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="Cannot write"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "folder")


def test_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match=r"promptseg\[torch\]"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "b")


def test_a_slow_or_silent_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(STATE, tmp_path / "a.pth")
    worker = tmp_path / "worker.py"
    monkeypatch.setattr(convert, "_WORKER", worker)
    for program, hint in (
        ("import sys; sys.exit('gone')", "code 1. gone"),
        ("print('[]')", "code 0"),
        ("print('{\"tensors\": 1}')", "code 0"),
        ("import os; os.abort()", "code -6"),
    ):
        worker.write_text(program)
        with pytest.raises(WeightsError, match=hint):
            convert_checkpoint(tmp_path / "a.pth", tmp_path / "b")
    worker.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(convert, "_TIMEOUT_SECONDS", 0.3)
    with pytest.raises(WeightsError, match="Given up"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "b")


@pytest.mark.parametrize(
    "action",
    [
        "import os; os.system('true')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.fork()",
        "import socket; socket.socket()",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
    ],
)
def test_the_confinement_itself(action: str) -> None:
    program = textwrap.dedent(f"""
        import runpy
        worker = runpy.run_path({str(convert._WORKER)!r})
        worker["limit_resources"](1000)
        worker["forbid_actions"]()
        try:
            {action}
        except worker["Refused"] as error:
            print("refused", error)
    """)
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("refused"), (done.stdout, done.stderr)


def test_the_limits(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import resource, runpy
        runpy.run_path({str(convert._WORKER)!r})["limit_resources"](1000)
        print(resource.getrlimit(resource.RLIMIT_CPU)[0], resource.getrlimit(resource.RLIMIT_FSIZE)[0])
    """)
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["600", str(2000 + 2**20)]


def test_no_pickle_in_the_package() -> None:
    source = Path(convert.__file__).parents[1]
    for path in source.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "plain_pickle.py":  # which finds no class at all (tests/house holds it to that)
            assert not re.search(r"^\s*(import|from) pickle\b", text, re.MULTILINE), path
        assert "weights_only=False" not in text, path


def test_views_and_packed_archives_take_no_memory(tmp_path: Path) -> None:
    view, plain, packed = tmp_path / "view.pth", tmp_path / "plain.pth", tmp_path / "packed.pth"
    torch.save({"a": torch.zeros(1).expand(2**40)}, view)
    with pytest.raises(WeightsError, match="they are views, not weights"):
        convert_checkpoint(view, tmp_path / "a.safetensors")
    torch.save({"a": torch.zeros(2**20)}, plain)
    with zipfile.ZipFile(plain) as stored, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in stored.namelist():
            archive.writestr(name, stored.read(name))
    with pytest.raises(WeightsError, match="more than its file has"):
        convert_checkpoint(packed, tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


def test_tied_weights_are_weights(tmp_path: Path) -> None:
    tied = torch.arange(1000.0)
    torch.save({"a": tied, "b": tied}, tmp_path / "tied.pth")
    assert same(convert_checkpoint(tmp_path / "tied.pth", tmp_path / "a.safetensors"), {"a": tied, "b": tied})
