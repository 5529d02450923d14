"""`promptseg models`: what it prints, and which errors it raises."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from promptseg.cli import models as command
from promptseg.cli.models import models
from promptseg.errors import PromptsegError, UnavailableError, WeightsError
from promptseg.models import convert, registry, store
from promptseg.models.registry import CARDS
from promptseg.models.whisper import SPEECH_CARDS

RUNNER = CliRunner()
STATE = {"a": torch.zeros(2, 3)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(*arguments: str) -> str:
    result = RUNNER.invoke(models, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_is_aligned(cache: Path) -> None:
    lines = run().splitlines()
    assert len(lines) == 1 + len(CARDS) + len(SPEECH_CARDS)
    spoken = [line for line in lines if line.startswith("whisper-")]
    assert all(card.url in line and "MIT" in line for card, line in zip(SPEECH_CARDS, spoken, strict=True))
    lines = [line for line in lines if line not in spoken]
    starts = [lines[0].index(word) for word in ("name", "parameters", "size", "state", "licence", "source")]
    for line, card in zip(lines[1:], CARDS, strict=True):
        assert all(start == 0 or line[start - 1] == " " for start in starts)
        assert line[starts[0] :].startswith(card.name)
        assert line.endswith(card.url)
    assert all(("embedded" in line) == card.embedded for line, card in zip(lines[1:], CARDS, strict=True))
    assert all(("not here" in line) != card.embedded for line, card in zip(lines[1:], CARDS, strict=True))
    cache.mkdir()
    (cache / "sam-vit-b.safetensors").write_bytes(b"")
    assert "cached" in next(line for line in run().splitlines() if line.startswith("sam-vit-b"))


def test_json() -> None:
    rows = json.loads(run("--json"))
    assert [row["name"] for row in rows] == [card.name for card in (*CARDS, *SPEECH_CARDS)]
    assert rows[0].keys() == {"name", "parameters", "bytes", "state", "licence", "source", "aliases"}


def test_convert(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a.pth"
    torch.save(STATE, source)
    assert run("convert", str(source)).strip() == str(tmp_path / "a.safetensors")
    assert run("convert", str(source), "-o", str(tmp_path / "b")).strip() == str(tmp_path / "b")
    with pytest.raises(WeightsError, match="6 parameters, but sam-vit-b"):
        run("convert", str(source), "--model", "vit_b")
    monkeypatch.setattr(convert, "_check", lambda *_: None)
    assert run("convert", str(source), "--model", "vit_b").strip() == str(cache / "sam-vit-b.safetensors")
    with pytest.raises(WeightsError, match="would overwrite itself"):
        run("convert", str(source), "-o", str(source))
    with pytest.raises(WeightsError, match="no model called"):
        run("convert", str(source), "--model", "nonsense")


def test_download(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing to download" in run("download", "mobile-sam")

    def fetch(card: registry.ModelCard, folder: Path, *, progress: store.Progress) -> Path:
        folder.mkdir(parents=True)
        torch.save(STATE, folder / card.checkpoint)
        progress(card.bytes, card.bytes)
        return folder / card.checkpoint

    monkeypatch.setattr(store, "download", fetch)
    monkeypatch.setattr(convert, "_check", lambda *_: None)
    assert run("download", "vit_b").splitlines()[-1] == str(cache / "sam-vit-b.safetensors")
    assert sorted(path.name for path in cache.iterdir()) == ["sam-vit-b.safetensors", "sam-vit-b.safetensors.json"]
    assert "is there already" in run("download", "sam-vit-b")
    monkeypatch.setattr(convert, "find_spec", lambda _: None)
    with pytest.raises(UnavailableError):
        run("download", "vit_l")


def test_verify(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "inside"
    inside.write_bytes(b"weights")
    monkeypatch.setattr(command, "embedded_weights_path", lambda name: inside)
    monkeypatch.setattr(command, "embedded_record", lambda name: {"sha256": store.file_sha256(inside)})
    torch.save(STATE, tmp_path / "a.pth")
    convert.convert_checkpoint(tmp_path / "a.pth", cache / "sam-vit-b.safetensors")
    output = run("verify")
    assert [line[:2] for line in output.splitlines()] == ["ok", "ok", "ok"]
    with (cache / "sam-vit-b.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(PromptsegError, match=r"sam-vit-b\.safetensors"):
        run("verify")
    (cache / "sam-vit-b.safetensors.json").write_text("[]")
    (cache / "sam_vit_l_0b3195.pth").write_bytes(b"half")
    with pytest.raises(WeightsError, match=r"sam-vit-b\.safetensors, .*sam_vit_l_0b3195\.pth"):
        run("verify")


def test_another_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sam_vit_h_4b8939.pth").write_bytes(b"half")
    monkeypatch.setattr(command, "embedded_weights_path", lambda name: tmp_path / "sam_vit_h_4b8939.pth")
    monkeypatch.setattr(command, "embedded_record", lambda name: {})
    with pytest.raises(WeightsError, match="sam_vit_h"):
        run("verify", "--cache", str(tmp_path))
