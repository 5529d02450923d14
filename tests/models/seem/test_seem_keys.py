import pytest
import torch
from seem_synthetic import LISTS, official_keys

from promptseg.errors import WeightsError
from promptseg.models.seem import keys
from promptseg.models.seem.seem import build_seem

# specification B2.1, counted from the official modules: backbone, pixel decoder, text encoder, decoder, all, names
TOTALS = {
    "seem-focal-t": (29_922_288, 31_456_256, 63_428_097, 39_812_608, 164_619_249, 729),
    "seem-focal-l": (205_746_936, 32_193_536, 63_428_097, 39_812_608, 341_181_177, 933),
    "seem-sam-vit-b": (98_358_464, 13_964_480, 63_428_097, 39_812_608, 215_563_649, 652),
    "seem-sam-vit-l": (323_333_504, 13_964_480, 63_428_097, 39_812_608, 440_538_689, 820),
}
BUFFERS = {"dilation_kernel", "criterion.empty_weight"}
SCALE = "sem_seg_head.predictor.lang_encoder.logit_scale"


@pytest.mark.parametrize("name", TOTALS)
def test_parameter_totals(name):
    with torch.device("meta"):
        seem = build_seem(name)
    parts = (seem.backbone, seem.pixel_decoder, seem.text, seem.predictor, seem)
    backbone, decoder, text, predictor, total = (sum(p.numel() for p in part.parameters()) for part in parts)
    assert (backbone, decoder, text, predictor - text, total) == TOTALS[name][:5]
    assert len(official_keys(name)) == TOTALS[name][5]
    assert not seem.training


@pytest.mark.parametrize("name", LISTS)
def test_key_lists_agree(name):
    official = official_keys(name)
    assert keys.expected_shapes(name) == official
    assert set(filter(keys.is_unused, official)) == BUFFERS
    keys.check_state_dict(name, official)


def test_unknown_network_is_named():
    with pytest.raises(WeightsError, match=r"'seem-davit'.*seem-focal-t, seem-focal-l"):
        build_seem("seem-davit")


def test_only_buffers_of_the_training_code_may_miss():
    shapes = {k: s for k, s in official_keys("seem-focal-t").items() if k not in BUFFERS}
    keys.check_state_dict("seem-focal-t", shapes)
    keys.check_state_dict("seem-focal-t", shapes | {"criterion.empty_weight": (134,)})
    del shapes[SCALE]
    with pytest.raises(WeightsError, match=r"lang_encoder\.logit_scale is missing.*\(\)"):
        keys.check_state_dict("seem-focal-t", shapes)


def test_wrong_shape_is_named_with_both_shapes():
    shapes = official_keys("seem-focal-l") | {"backbone.norm2.weight": (384,)}
    with pytest.raises(WeightsError, match=r"backbone\.norm2\.weight has shape \(384,\), expected \(768,\)"):
        keys.check_state_dict("seem-focal-l", shapes)


def test_unexpected_key_is_named():
    shapes = official_keys("seem-focal-t") | {"model.backbone.norm0.bias": (96,)}
    with pytest.raises(WeightsError, match=r"model\.backbone\.norm0\.bias of shape \(96,\) is unexpected"):
        keys.check_state_dict("seem-focal-t", shapes)


def test_another_variant_is_refused():
    with pytest.raises(WeightsError, match=r"seem-focal-l: backbone\.patch_embed\.proj\.weight has shape"):
        keys.check_state_dict("seem-focal-l", official_keys("seem-focal-t"))
