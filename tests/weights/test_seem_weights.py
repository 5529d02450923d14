"""SEEM's checkpoints: converted strictly, never downloaded without a hash, read tensor by tensor."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from promptseg.errors import WeightsError
from promptseg.models import convert
from promptseg.models.convert import convert_checkpoint
from promptseg.models.network import Network
from promptseg.models.registry import CARDS, get_card
from promptseg.models.seem import keys, weights
from promptseg.models.seem.config import SEEM_CONFIGS
from promptseg.models.seem.keys import expected_shapes, is_unused
from promptseg.models.store import download, find_weights
from promptseg.models.tensors import count_parameters, read_safetensors

CARD = get_card("seem_focalt")
SMALL = {
    "dilation_kernel": (1, 1, 3, 3),
    "backbone.norm0.weight": (6,),
    "sem_seg_head.predictor.lang_encoder.lang_proj": (4, 4),
    "criterion.empty_weight": (134,),
}


@pytest.fixture
def small(monkeypatch):
    """A network of two tensors and two buffers in the place of Focal-T."""
    monkeypatch.setattr(keys, "expected_shapes", lambda _: SMALL)
    generator = torch.Generator().manual_seed(5)
    return {key: torch.randn(shape, generator=generator) for key, shape in SMALL.items()}


def test_cards():
    seem = [card for card in CARDS if card.family == "seem"]
    assert [card.name for card in seem] == list(SEEM_CONFIGS)
    for card in seem:
        shapes = expected_shapes(card.name)
        assert card.parameters == count_parameters({k: v for k, v in shapes.items() if not is_unused(k)})
        assert card.licence == "Apache-2.0"
        assert card.checkpoint.startswith("seem_")
        assert not card.embedded


@pytest.mark.parametrize("buffers", [True, False])
def test_conversion(small, tmp_path, buffers):
    given = {key: tensor for key, tensor in small.items() if buffers or not is_unused(key)}
    source, target = tmp_path / "seem_focalt_v0.pt", tmp_path / "seem-focal-t.safetensors"
    torch.save(given, source)
    assert convert_checkpoint(source, target, CARD) == target
    found = read_safetensors(target)
    assert set(found) == set(given)
    for key, tensor in given.items():
        np.testing.assert_array_equal(found[key], tensor.numpy())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda given: given.pop("backbone.norm0.weight"), "backbone.norm0.weight is missing"),
        (lambda given: given.update(more=torch.ones(2)), "more of shape .* is unexpected"),
        (lambda given: given.update({"backbone.norm0.weight": torch.ones(5)}), "has shape"),
    ],
)
def test_conversion_is_strict(small, tmp_path, change, message):
    change(small)
    torch.save(small, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=f"not a checkpoint of seem-focal-t: .*{message}"):
        convert_checkpoint(tmp_path / "a.pt", tmp_path / "a.safetensors", CARD)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_names_in_use(monkeypatch):
    """The converter asks the same question as the loader."""
    assert convert.check_state_dict is keys.check_state_dict is weights.check_state_dict


def test_nothing_is_downloaded_without_a_hash(tmp_path):
    def opener(_):
        raise AssertionError("no connection may be opened")

    with pytest.raises(WeightsError, match=r"hash of seem_focalt_v0\.pt is not recorded.*models convert"):
        download(CARD, tmp_path, opener=opener)
    with pytest.raises(WeightsError, match=r"Download https://.*models convert seem_focalt_v0\.pt --model"):
        find_weights(CARD, tmp_path)
    with pytest.raises(WeightsError, match="no SAM network"):
        Network.load("seem-focal-t")


class Tiny(torch.nn.Module):
    """Two tensors under official names."""

    def __init__(self):
        super().__init__()
        self.backbone = torch.nn.ModuleDict({"norm0": torch.nn.Module()})
        self.backbone["norm0"].weight = torch.nn.Parameter(torch.zeros(6))
        inner = torch.nn.ModuleDict({"lang_encoder": torch.nn.Module()})
        inner["lang_encoder"].lang_proj = torch.nn.Parameter(torch.zeros(4, 4))
        self.sem_seg_head = torch.nn.ModuleDict({"predictor": inner})


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("wanted", [torch.float32, torch.bfloat16])
def test_loading(small, tmp_path, monkeypatch, stored, wanted):
    monkeypatch.setattr(weights, "build_seem", lambda _: Tiny())
    given = {key: tensor.to(stored) for key, tensor in small.items()}
    save_file(given, tmp_path / "a.safetensors")
    loaded = weights.load_seem("seem-focal-t", tmp_path / "a.safetensors", wanted).state_dict()
    assert len(loaded) == 2
    for key, tensor in loaded.items():
        kind = torch.float32 if "lang_encoder" in key else wanted
        torch.testing.assert_close(tensor, given[key].to(kind), rtol=0, atol=0)


def test_damage_is_found(small, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "build_seem", lambda _: Tiny())
    path = tmp_path / "a.safetensors"
    for value, message in ((torch.full((6,), torch.nan), "not finite"), (torch.ones(6).int(), "expected floats")):
        save_file({**small, "backbone.norm0.weight": value}, path)
        with pytest.raises(WeightsError, match=message):
            weights.load_seem("seem-focal-t", path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(WeightsError, match="truncated"):
        weights.load_seem("seem-focal-t", path)
