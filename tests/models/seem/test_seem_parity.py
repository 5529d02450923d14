"""Our SEEM against stored outputs of the official code, with the same synthetic weights."""

from typing import Any

import numpy as np
import pytest
import torch
from seem_synthetic import GOLDEN, SIZE, class_bank, close, fill, golden, network_input, picture
from torch import Tensor

from promptseg.models.seem.config import seem_config
from promptseg.models.seem.deformable import DeformableDecoder
from promptseg.models.seem.focalnet import FocalNet
from promptseg.models.seem.fpn import TransformerFPN
from promptseg.models.seem.pixel_features import PixelFeatures
from promptseg.models.seem.prompts import (
    Draws,
    Prediction,
    PromptTokens,
    SeemOutput,
    SeemPrompts,
    Touch,
    TouchedRegion,
    choose_by_region,
    masks_of,
    region_scores,
)
from promptseg.models.seem.sam_backbone import SamBackbone
from promptseg.models.seem.seem import Seem
from promptseg.models.seem.text_encoder import MAX_SCALE, phrase_tokens, unit, used_part

MASKS = 1.5e-4  # 1.0e-4 and less on most processors, 1.1e-4 on one with plain AVX2
EMBEDDINGS = 3e-5
OF_TEXT_QUERIES = ("pred_gtexts", "pred_gmasks", "text_scores")
LOGITS = 1e-5
PREDICTOR_CASES = sorted(
    path.stem
    for path in GOLDEN.glob("focalt_*_*.npz")
    if path.stem.split("_")[1] in ("v0", "v1", "demo") and not path.stem.endswith(("sampler", "reference_tokens"))
)
GIVEN = {
    *("pos", "neg", "stroke", "input_ids", "attention_mask", "text_input_ids", "audio_input_ids"),
    *("prev_mask", "rand_query_idx", "memory_indices_per_layer", "ref_mask", "final_binary_mask"),
}


def test_all_cases_are_there():
    assert len(PREDICTOR_CASES) == 26


def test_pictures_follow_their_formula():
    np.testing.assert_array_equal(picture(*SIZE, 0), golden("focalt_backbone")["image"])
    np.testing.assert_array_equal(picture(*SIZE, 1), golden("focalt_demo_reference_tokens")["ref_image"])
    np.testing.assert_array_equal(
        picture(1024, 1024, 0)[:8, :8], golden("samvitb_backbone_pixel_decoder")["image_corner"]
    )


def test_focal_t_backbone_and_pixel_decoder(focal_t: Seem):
    maps = focal_t.backbone(network_input(picture(*SIZE, 0)))
    for number, ours in enumerate(maps, 2):
        close(ours[:, ::8], golden("focalt_backbone")[f"res{number}"])
    _pixel_decoder(focal_t.pixel_decoder, maps, golden("focalt_pixel_decoder"), (16, 8, 8, 16, 8))


def _pixel_decoder(
    decoder: Any, maps: tuple[Tensor, ...], theirs: dict[str, np.ndarray], steps: tuple[int, ...]
) -> PixelFeatures:
    features = decoder(maps)
    found = [features.masks_BCHW, *features.levels_BCHW]
    names = ["mask_features", "ms0", "ms1", "ms2"]
    if isinstance(decoder, TransformerFPN):
        found.append(decoder.encode(maps))
        names.append("transformer_encoder_features")
    for name, ours, step in zip(names, found, steps, strict=True):
        close(ours[:, ::step], theirs[name])
    return features


def test_focal_l_backbone_and_pixel_decoder():
    config = seem_config("seem-focal-l")
    backbone, decoder = (FocalNet(config.backbone), TransformerFPN(config.backbone.widths, config.pixel_decoder))
    fill(backbone, "backbone.")
    fill(decoder, "sem_seg_head.pixel_decoder.")
    theirs = golden("focall_backbone_pixel_decoder")
    maps = backbone(network_input(picture(*SIZE, 0)))
    for number, (ours, step) in enumerate(zip(maps, (32, 32, 32, 16), strict=True), 2):
        close(ours[:, ::step], theirs[f"res{number}"])
        _statistics(ours, theirs[f"res{number}_stats"])
    features = _pixel_decoder(decoder, maps, theirs, (32, 4, 8, 32, 4))
    _statistics(features.masks_BCHW, theirs["mask_features_stats"])


def _statistics(ours: Tensor, theirs: np.ndarray) -> None:
    found = torch.stack([ours.mean(), ours.std(correction=0), ours.abs().max()])
    close(found, theirs)


def test_sam_vit_b(focal_t: Seem):
    """The predictor's weights depend on their names only, so those of focal-t serve here too."""
    config = seem_config("seem-sam-vit-b")
    backbone = SamBackbone(config.backbone)
    decoder = DeformableDecoder(config.backbone.widths, config.pixel_decoder)
    fill(backbone, "backbone.")
    fill(decoder, "sem_seg_head.pixel_decoder.")
    theirs = golden("samvitb_backbone_pixel_decoder")
    maps = backbone(network_input(picture(1024, 1024, 0)))
    for number, (ours, step) in enumerate(zip(maps, (8, 4, 4, 2), strict=True), 2):
        close(ours[:, ::16, ::step, ::step], theirs[f"res{number}"])
    features = decoder(maps)
    found = (features.masks_BCHW, *features.levels_BCHW)
    for name, ours, step in zip(("mask_features", "ms0", "ms1", "ms2"), found, (8, 2, 4, 8), strict=True):
        close(ours[:, ::32, ::step, ::step], theirs[name])
        _statistics(ours, theirs[f"{name}_stats"])
    _sam_predictions(focal_t, features, golden("samvitb_v1_none"), SeemPrompts(), Draws())
    positive = torch.zeros(1, 1024, 1024, dtype=torch.bool)
    positive[:, 300:316, 400:424] = True
    theirs = golden("samvitb_v1_stroke")
    draws = Draws(query_choice=torch.from_numpy(theirs["rand_query_idx"]))
    output = _sam_predictions(focal_t, features, theirs, SeemPrompts(touch=Touch(positive=[positive])), draws)
    spatial, touch = output.last.spatial, output.touch
    assert spatial is not None
    assert touch is not None
    index = choose_by_region(spatial, touch.positive_BOC, per_object=True)
    np.testing.assert_array_equal(index, theirs["chosen_index"])
    close(masks_of(spatial, index)[:, 0, ::4, ::4], theirs["chosen_mask"], 5e-4)
    close(region_scores(spatial, touch.positive_BOC), theirs["spatial_scores"])


def _sam_predictions(
    focal_t: Seem, features: PixelFeatures, theirs: dict[str, np.ndarray], prompts: SeemPrompts, draws: Draws
) -> SeemOutput:
    """Cells of attention masks whose logit is at rounding level flip, and one query then differs by 1e-2.

    Which ones depends on the processor: in float64 all is within 2e-5, and the official float32 and float64
    results differ by 6e-4 themselves. Hence a loose bound for single cells, a tight one for their mean.
    """
    output = focal_t.predictor(features, prompts, "v1", bank_KC=class_bank(), every_layer=True, draws=draws)
    masks = output.last.objects.masks_BQhw
    earlier = [prediction.objects.masks_BQhw[:, ::25, ::32, ::32] for prediction in output.earlier]
    for ours, name in (
        (masks[:, ::10, ::8, ::8], "pred_masks"),
        (masks.mean((2, 3)), "pred_masks_per_query_mean"),
        ((masks > 0).float().mean((2, 3)), "pred_masks_per_query_positive_fraction"),
        (output.last.class_logits_BQK[:, ::4], "pred_logits"),
        (torch.stack(earlier), "aux_masks"),
    ):
        close(ours, theirs[name], 2e-2)
        assert np.abs(ours.detach().numpy() - theirs[name]).mean() < 5e-4, name
    return output


def test_text_encoder(focal_t: Seem):
    theirs = golden("focalt_text")
    ids = torch.from_numpy(theirs["input_ids"])
    tokens, sentences = focal_t.text(ids)
    close(sentences, theirs["sentence_emb"])
    close(unit(sentences), theirs["sentence_emb_norm"], 1e-6)
    close(tokens[0, :9], theirs["token_emb_seq0"])
    close(tokens[:, :, ::32], theirs["token_emb_all"])
    close(unit(tokens)[:1, :, ::32], theirs["token_emb_norm_all"], 1e-6)
    close(focal_t.text.lang_encoder(ids[:1].long())[:, :, ::32], theirs["last_hidden"])


def test_class_bank(focal_t: Seem):
    theirs = golden("focalt_class_bank")
    names = [*torch.from_numpy(theirs["class_ids"]).long(), torch.from_numpy(theirs["background_ids"]).long()]
    assert [len(name) for name in names] == [81] * 5 + [1]
    close(focal_t.text.class_bank(names), theirs["bank"], 1e-6)
    close(unit(focal_t.text(names[0][:3])[1]), theirs["one_sentence_norm"], 1e-6)


@pytest.mark.parametrize("graph", ["v0", "v1"])
def test_prompt_tokens_of_touched_pixels(focal_t: Seem, features: PixelFeatures, graph: Any):
    theirs = golden(f"focalt_{graph}_sampler")
    touch = Touch(positive=[torch.from_numpy(theirs["pos"])], negative=[torch.from_numpy(theirs["neg"])])
    region = focal_t.predictor.look(features, touch, graph)
    close(region.positive_BOC, theirs["spatial_query_pos"].swapaxes(0, 1), EMBEDDINGS)
    close(region.negative_BOC, theirs["spatial_query_neg"].swapaxes(0, 1), EMBEDDINGS)
    _region_tokens(region, theirs, 128)
    for level, tokens in enumerate(region.levels):
        np.testing.assert_array_equal(tokens.filling_BN, theirs[f"masking_level{level}"])


def _region_tokens(region: TouchedRegion, theirs: dict[str, np.ndarray], channels: int) -> None:
    for level, tokens in enumerate(region.levels):
        close(tokens.values_BNC.swapaxes(0, 1)[::4, :, :channels:2], theirs[f"tokens_level{level}"])


@pytest.fixture(scope="module")
def reference(focal_t: Seem, other_features: PixelFeatures) -> TouchedRegion:
    mask = torch.from_numpy(golden("focalt_demo_reference_tokens")["ref_mask"])
    return focal_t.predictor.look(other_features, Touch(positive=[mask]), "demo")


def test_region_of_a_reference_picture(reference: TouchedRegion):
    theirs = golden("focalt_demo_reference_tokens")
    close(reference.positive_BOC, theirs["visual_query_pos"], EMBEDDINGS)
    close(reference.negative_BOC, theirs["visual_query_neg"], EMBEDDINGS)
    _region_tokens(reference, theirs, 64)


def _text(focal_t: Seem, ids: np.ndarray) -> tuple[PromptTokens, Tensor]:
    rows = torch.from_numpy(np.atleast_2d(ids)).long()
    tokens, sentences = focal_t.text(used_part(rows))
    return PromptTokens.of([phrase_tokens(tokens, rows)]), sentences


@pytest.mark.parametrize("case", PREDICTOR_CASES)
def test_predictor(focal_t: Seem, features: PixelFeatures, reference: TouchedRegion, case: str):
    theirs = golden(case)
    graph: Any = case.split("_")[1]
    given: dict[str, Any] = {}
    sentences: dict[str, Tensor] = {}
    for kind, key in (("text", "input_ids"), ("text", "text_input_ids"), ("audio", "audio_input_ids")):
        if key in theirs:
            given[kind], sentences[kind] = _text(focal_t, theirs[key])
    for key in ("pos", "stroke"):
        if key in theirs:
            negative = [torch.from_numpy(theirs["neg"])] if "neg" in theirs else None
            given["touch"] = Touch(positive=[torch.from_numpy(theirs[key])], negative=negative)
    if "refimg" in case or "visual" in case:
        given["visual"] = reference
    if "prev_mask" in theirs:
        given["previous_BOhw"] = torch.from_numpy(theirs["prev_mask"])
    draws = Draws(
        query_choice=_array(theirs, "rand_query_idx"), memory_owners_LM=_array(theirs, "memory_indices_per_layer")
    )
    output = focal_t.predictor(
        features,
        SeemPrompts(**given),
        graph,
        bank_KC=class_bank(),
        text_sees_regions="text_sees" in case,
        regions_see_text="stroke_sees" in case,
        every_layer=True,
        draws=draws,
    )
    region = output.touch or given.get("visual")
    ours = _named(output, given.get("visual"), region)
    ours |= _choices(focal_t, output.last, region, sentences, graph, theirs)
    compared = set(theirs) - GIVEN
    assert compared <= set(ours)
    for key in compared:
        if key.endswith("chosen_index"):
            np.testing.assert_array_equal(ours[key].reshape(theirs[key].shape), theirs[key])
        else:
            tolerance = LOGITS if "logits" in key else MASKS
            if "text_sees" in case and key in OF_TEXT_QUERIES:
                # Attention is cut off at one half: a cell within rounding of it may fall on the other side for one
                # query of 101, on some processors (plain AVX2). All others are as everywhere.
                near = np.abs(ours[key].detach().numpy() - theirs[key]) < tolerance
                assert near.mean() > 0.94, key
            else:
                close(ours[key], theirs[key], tolerance)


def _array(arrays: dict[str, np.ndarray], key: str) -> Tensor | None:
    return torch.from_numpy(arrays[key]) if key in arrays else None


def _thin(x: Tensor, masks: bool = False) -> Tensor:
    """As the stored arrays are thinned."""
    x = x[:, ::4] if x.shape[1] == 101 else x
    return x[..., ::2, ::2] if masks else x[..., :128]


def _named(output: SeemOutput, visual: TouchedRegion | None, region: TouchedRegion | None) -> dict[str, Tensor]:
    """Our results under the official names."""
    last = output.last
    assert last.class_logits_BQK is not None
    ours = {
        "pred_logits": last.class_logits_BQK[:, ::4],
        "pred_maskembs": _thin(last.objects.mask_embeddings_BQC),
        "aux_logits": torch.stack([p.class_logits_BQK[:, ::16, ::8] for p in output.earlier]),
        "aux_masks": torch.stack([p.objects.masks_BQhw[:, ::16, ::4, ::4] for p in output.earlier]),
    }
    groups = {"": last.objects, "g": last.grounding, "s": last.spatial}
    for letter, group in groups.items():
        if group is not None:
            ours[f"pred_{letter}masks"] = _thin(group.masks_BQhw, masks=True)
            ours[f"pred_{letter}texts" if letter else "pred_captions"] = _thin(group.captions_BQC)
            ours.setdefault(f"pred_{letter}maskembs", _thin(group.mask_embeddings_BQC))
    for letter, source in (("v", visual), ("s", region)):
        if source is not None:
            name = "visuals" if letter == "v" else "spatials"
            ours |= {f"pred_p{name}": source.positive_BOC, f"pred_n{name}": source.negative_BOC}
    return ours


def _choices(
    focal_t: Seem,
    last: Prediction,
    region: TouchedRegion | None,
    sentences: dict[str, Tensor],
    graph: str,
    theirs: dict[str, np.ndarray],
) -> dict[str, Tensor]:
    ours: dict[str, Tensor] = {}
    if region is not None:
        group = last.objects if graph == "demo" else last.spatial
        assert group is not None
        index = choose_by_region(group, region.positive_BOC, per_object=graph == "v1")
        scores, masks = region_scores(group, region.positive_BOC), masks_of(group, index)
        ours |= {"spatial_scores": scores, "chosen_index": index, "chosen_mask": masks}
        for kind in ("stroke", "visual"):
            ours |= {f"{kind}_scores": scores, f"{kind}_chosen_index": index, f"{kind}_chosen_mask": masks[:, 0]}
    for kind, sentence in sentences.items():
        group = last.objects if graph == "demo" else last.grounding
        assert group is not None
        scale = focal_t.text.logit_scale.exp().clamp(max=MAX_SCALE)
        scores = scale * unit(group.captions_BQC[0]) @ unit(sentence).T
        best = scores.argmax(0)
        ours |= {f"{kind}_scores": scores, f"{kind}_chosen_index": best}
        ours[f"{kind}_chosen_mask"] = group.masks_BQhw[0, best]
    return ours


def test_final_mask_of_the_demo_page(focal_t: Seem, features: PixelFeatures):
    from promptseg.masks.resample import Enlargement

    theirs = golden("focalt_demo_stroke")
    prompts = SeemPrompts(touch=Touch(positive=[torch.from_numpy(theirs["stroke"])]))
    output = focal_t.predictor(features, prompts, "demo")
    index = choose_by_region(output.last.objects, output.touch.positive_BOC, per_object=False)
    logits = masks_of(output.last.objects, index)[0]
    way = Enlargement(features.size, SIZE, SIZE, "bilinear", "bilinear")
    final = np.stack([way.logits(low) for low in logits.numpy()]) > 0
    np.testing.assert_array_equal(final, theirs["final_binary_mask"])
    assert 0 < final.mean() < 1
