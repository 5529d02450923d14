"""The embedded decoder for clicks is MobileSAM's, changed a little."""

import numpy as np
import pytest

from promptseg.models.companions.decoder import trained_decoder, write_changes
from promptseg.models.network import DECODER, Network
from promptseg.models.registry import DEFAULT_MODEL, embedded_record, embedded_weights_path, get_card
from promptseg.models.store import file_sha256
from promptseg.models.tensors import read_safetensors


def test_the_default_model_shares_the_network_of_mobile_sam() -> None:
    ours, theirs = Network.load(), Network.load("mobile-sam")
    assert (ours.name, ours.base, theirs.name, theirs.base) == (DEFAULT_MODEL, "mobile-sam", "mobile-sam", "mobile-sam")
    assert ours.digest == theirs.digest  # so that both find each other's embeddings
    assert not theirs.clicks
    assert all(name.startswith(DECODER) for name in ours.clicks)
    assert ours.model("official_decoder") == theirs.model("decoder")
    assert ours.model("decoder") != theirs.model("decoder")
    assert ours.model("scout") == theirs.model("scout")


def test_only_the_record_s_file_is_read() -> None:
    path, record = embedded_weights_path("mobile_sam_clicks"), embedded_record("mobile_sam_clicks")
    assert (file_sha256(path), path.stat().st_size) == (record["sha256"], record["bytes"])
    assert get_card("default").base == "mobile-sam"


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_changes_go_part_of_the_way(tmp_path, share) -> None:
    random = np.random.default_rng(0)
    base = {"mask_decoder.a": random.normal(size=(5, 7)).astype(np.float16), "mask_decoder.b": np.ones(3)}
    trained = {
        "mask_decoder.a": (base["mask_decoder.a"] + 1e-3 * random.normal(size=(5, 7))).astype(np.float32),
        "mask_decoder.b": np.ones(3),
    }
    write_changes(tmp_path / "x.safetensors", base, trained, share, "a test")
    changes = read_safetensors(tmp_path / "x.safetensors")
    assert sorted(changes) == ["mask_decoder.a", "mask_decoder.a.scale"]  # b did not change
    found = changes["mask_decoder.a"] * changes["mask_decoder.a.scale"][:, None]
    wanted = share * (trained["mask_decoder.a"] - base["mask_decoder.a"].astype(np.float32))
    assert np.abs(found - wanted).max() <= np.abs(wanted).max() / 254 * 1.01


def test_the_embedded_changes_are_small() -> None:
    base = Network.load("mobile-sam").tensors
    for name, tensor in trained_decoder(base, embedded_weights_path("mobile_sam_clicks")).items():
        assert tensor.shape == base[name].shape
        assert np.isfinite(tensor).all()
        moved = np.linalg.norm(tensor - np.asarray(base[name], np.float32))
        assert moved < 1 + 0.2 * np.linalg.norm(np.asarray(base[name], np.float32)), name
