"""The list of known models is complete, consistent and without torch."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from promptseg.errors import WeightsError
from promptseg.models import registry
from promptseg.models.registry import CARDS, ModelCard, embedded_record, embedded_weights_path, get_card

NAMES = {
    "mobile-sam": ("vit_t", "mobile_sam", "Mobile-SAM"),
    "mobile-sam-clicks": ("default", "mobile_sam_clicks"),
    "sam-vit-b": ("vit_b", "sam_vit_b"),
    "sam-vit-l": ("vit_l", " VIT_L "),
    "sam-vit-h": ("vit_h", "SAM-ViT-H"),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_and_aliases(name: str) -> None:
    for known in (name, *NAMES[name]):
        assert get_card(known).name == name


@pytest.mark.parametrize("name", ["", "vit_x", "sam", "../mobile-sam"])
def test_unknown_names_list_the_known_ones(name: str) -> None:
    with pytest.raises(WeightsError, match="mobile-sam, mobile-sam-clicks, sam-vit-b, sam-vit-l, sam-vit-h"):
        get_card(name)


SAM = [card for card in CARDS if card.family == "sam" and not card.base]  # for SEEM see test_seem_weights.py


@pytest.mark.parametrize("card", SAM, ids=lambda card: card.name)
def test_cards(card: ModelCard) -> None:
    assert card.url.startswith("https://")
    assert card.licence == "Apache-2.0"
    assert len(bytes.fromhex(card.sha256)) == 32
    assert 4 * card.parameters < card.bytes < 4.1 * card.parameters
    assert card.checkpoint.endswith((".pt", ".pth"))
    assert card.embedded == (card.name == "mobile-sam")


def test_no_name_means_two_models() -> None:
    names = [name for card in CARDS for name in (card.name, *card.aliases)]
    assert len(names) == len(set(names))
    assert [card.parameters for card in SAM] == [10_130_092, 93_735_472, 312_342_832, 641_090_608]


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(registry.importlib.resources, "files", lambda _: tmp_path)
    return tmp_path / "weights"


def test_embedded_files(packaged: Path) -> None:
    with pytest.raises(WeightsError, match="Install promptseg again"):
        embedded_weights_path()
    (packaged / "mobile_sam.safetensors").write_bytes(b"x")
    assert embedded_weights_path() == packaged / "mobile_sam.safetensors"
    (packaged / "mobile_sam.json").write_text(json.dumps({"sha256": "ab", "bytes": 1}))
    assert embedded_record()["sha256"] == "ab"
    for content in ("", "[]", "{}", '{"sha256": "ab"}'):
        (packaged / "mobile_sam.json").write_text(content)
        with pytest.raises(WeightsError, match="Install promptseg again"):
            embedded_record()


def test_the_real_embedded_file_is_what_is_recorded() -> None:
    record = embedded_record()
    content = embedded_weights_path().read_bytes()
    assert len(content) == record["bytes"]
    assert hashlib.sha256(content).hexdigest() == record["sha256"]


@pytest.mark.parametrize(
    "module", ["models.registry", "models.store", "models.tensors", "models.convert", "cli.models", "images"]
)
def test_nothing_heavy_is_imported(module: str) -> None:
    code = (
        f"import sys, promptseg.{module}\n"
        "heavy = {'torch', 'onnxruntime', 'openvino', 'scipy', 'onnx'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
