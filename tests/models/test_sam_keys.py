import subprocess
import sys

import numpy as np
import pytest
import torch
from sam_synthetic import LISTS, official_keys, synthetic

from promptseg.errors import WeightsError
from promptseg.models.sam import checkpoint, keys
from promptseg.models.sam.sam import build_sam

# specification A2.1, counted from the official modules
TOTALS = {
    "mobile-sam": (6_065_532, 10_130_092),
    "sam-vit-b": (89_670_912, 93_735_472),
    "sam-vit-l": (308_278_272, 312_342_832),
    "sam-vit-h": (637_026_048, 641_090_608),
}
NORM = "image_encoder.neck.3.bias"


@pytest.fixture(scope="module")
def given() -> dict[str, np.ndarray]:
    return synthetic(keys.expected_shapes("mobile-sam"))


@pytest.mark.parametrize("name", TOTALS)
def test_parameter_counts(name):
    with torch.device("meta"):
        sam = build_sam(name)
    count = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    assert (count(sam.image_encoder), count(sam)) == TOTALS[name]
    assert (count(sam.prompt_encoder), count(sam.mask_decoder)) == (6_220, 4_058_340)
    assert not sam.training


@pytest.mark.parametrize("name", LISTS)
def test_key_lists_agree(name):
    official = official_keys(name)
    assert keys.expected_shapes(name) == official
    assert list(keys.expected_shapes(name)) == list(official), "the order decides which key is named first"
    with torch.device("meta"):
        sam = build_sam(name)
    assert {key: tuple(tensor.shape) for key, tensor in sam.state_dict().items()} == official
    keys.check_state_dict(name, official)


def test_no_torch_is_needed_to_check_names():
    code = (
        "import sys, promptseg.models.sam.keys as k; k.expected_shapes('sam-vit-h'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_network_is_named():
    with pytest.raises(WeightsError, match=r"'vit_z'.*mobile-sam, sam-vit-b"):
        build_sam("vit_z")


def test_first_missing_key_is_named():
    shapes = official_keys("mobile-sam")
    for key in ("mask_decoder.iou_token.weight", "image_encoder.layers.2.blocks.3.attn.attention_biases"):
        del shapes[key]
    with pytest.raises(WeightsError, match=r"layers\.2\.blocks\.3\.attn\.attention_biases is missing.*\(5, 196\)"):
        keys.check_state_dict("mobile-sam", shapes)


def test_wrong_shape_is_named_with_both_shapes():
    shapes = official_keys("sam-vit-b") | {"image_encoder.blocks.2.attn.rel_pos_h": (27, 64)}
    message = r"blocks\.2\.attn\.rel_pos_h has shape \(27, 64\), expected \(127, 64\)"
    with pytest.raises(WeightsError, match=message):
        keys.check_state_dict("sam-vit-b", shapes)


def test_unexpected_key_is_named():
    shapes = official_keys("mobile-sam") | {"mask_decoder.hf_token.weight": (1, 256)}
    with pytest.raises(WeightsError, match=r"mask_decoder\.hf_token\.weight of shape \(1, 256\) is unexpected"):
        keys.check_state_dict("mobile-sam", shapes)


def test_another_variant_is_refused():
    with pytest.raises(WeightsError, match=r"sam-vit-l: image_encoder\.pos_embed has shape \(1, 64, 64, 768\)"):
        keys.check_state_dict("sam-vit-l", official_keys("sam-vit-b"))


def test_unused_tensors_must_not_miss():
    shapes = {k: s for k, s in official_keys("mobile-sam").items() if not k.endswith("tracked")}
    with pytest.raises(WeightsError, match="num_batches_tracked is missing"):
        keys.check_state_dict("mobile-sam", shapes)
    shapes = {k: s for k, s in official_keys("mobile-sam").items() if "norm_head" not in k}
    with pytest.raises(WeightsError, match=r"norm_head\.weight is missing"):
        keys.check_state_dict("mobile-sam", shapes)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_arrays_are_loaded_exactly(given, dtype):
    tensors = {k: v.astype(dtype) if v.dtype.kind == "f" else v for k, v in given.items()}
    for array in tensors.values():
        array.setflags(write=False)
    sam = checkpoint.load_state_dict(build_sam("mobile-sam"), tensors)
    for key, value in sam.state_dict().items():
        assert value.dtype == (torch.int64 if key.endswith("tracked") else torch.float32)
        np.testing.assert_array_equal(value.numpy(), tensors[key].astype(value.numpy().dtype))


def test_load_refuses_a_missing_key(given):
    with pytest.raises(WeightsError, match=r"neck\.3\.bias is missing"):
        checkpoint.load_state_dict(build_sam("mobile-sam"), {k: v for k, v in given.items() if k != NORM})


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full(256, np.nan, np.float32), r"neck\.3\.bias holds numbers that are not finite"),
        (np.full(256, "x"), r"neck\.3\.bias as <U1, expected float16 or float32"),
    ],
)
def test_load_refuses_what_is_not_a_number(given, array, message):
    with pytest.raises(WeightsError, match=message):
        checkpoint.load_state_dict(build_sam("mobile-sam"), given | {NORM: array})
