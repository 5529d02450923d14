"""Ours against the official modules on the same synthetic weights: at most 1e-4 apart (specification D3)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sam_synthetic import COMBINATIONS, OBJECTS, difference, fill, normal, official_prediction, picture, prompt_parts

from promptseg.geometry import LABEL_ABSENT, LABEL_BOX_END, LABEL_BOX_START, LABEL_PAD
from promptseg.models.network import Network
from promptseg.models.registry import get_card
from promptseg.models.sam.config import ViTConfig
from promptseg.models.sam.image_encoder_vit import ImageEncoderViT
from promptseg.models.sam.sam import build_sam
from promptseg.runtimes.onnx import OnnxRuntime

LIMIT = 1e-4
POINTS, LABELS, BOXES, MASKS = prompt_parts((True, True, True))
GOLDEN = Path(__file__).parents[1] / "golden" / "sam" / "official.npz"


def arrange_prompts(points, labels, boxes):
    """Points first, then a pad if there is no box, then its corners; without both, a single absent token."""
    found = []
    if points is not None:
        found.append((points.float(), labels.long()))
        if boxes is None:
            found.append((torch.zeros(len(points), 1, 2), torch.full((len(points), 1), LABEL_PAD)))
    if boxes is not None:
        corners = torch.tensor([[LABEL_BOX_START, LABEL_BOX_END]]).expand(len(boxes), 2)
        found.append((boxes.float().reshape(-1, 2, 2), corners))
    if not found:
        return torch.zeros(1, 1, 2), torch.full((1, 1), LABEL_ABSENT)
    return tuple(torch.cat(parts, 1) for parts in zip(*found, strict=True))


def vit_pair(official, config: ViTConfig):
    theirs = official.vit.ImageEncoderViT(
        img_size=config.grid * config.patch,
        embed_dim=config.channels,
        depth=config.depth,
        num_heads=config.heads,
        norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6),
        use_rel_pos=True,
        window_size=config.window,
        global_attn_indexes=config.global_blocks,
    )
    ours = ImageEncoderViT(config)
    fill(theirs, ours)
    return theirs, ours


@pytest.fixture(scope="module")
def golden():
    """Thinned outputs of the official modules with the real torchvision and timm; see make_golden.py."""
    with np.load(GOLDEN) as arrays:
        return {key: torch.tensor(array) for key, array in arrays.items()}


def test_tiny_vit(mobile_pair):
    theirs, ours = mobile_pair
    another = normal("another", 1, 3, 1024, 1024)
    expected = theirs.image_encoder(another)
    assert expected.std() > 0.3
    assert difference(ours(another), expected) <= LIMIT


def test_tiny_vit_embeds_several_pictures_as_each_alone(mobile_pair):
    small = normal("small pictures", 3, 3, 320, 256)
    together = mobile_pair[1](small)
    for i in range(3):
        assert difference(together[i : i + 1], mobile_pair[1](small[i : i + 1])) <= 1e-5


def test_tiny_vit_and_decoder_equal_golden_arrays(golden):
    ours = build_sam("mobile-sam")
    fill(ours)
    embedding = ours(picture())
    assert difference(embedding[:, ::16, ::8, ::8], golden["mobile-sam embedding"]) <= LIMIT
    for name, kinds in COMBINATIONS.items():
        points, labels, boxes, masks = prompt_parts(kinds)
        prompt = (part.expand(OBJECTS, *part.shape[1:]) for part in arrange_prompts(points, labels, boxes))
        logits, scores = ours.predict_masks(embedding, *prompt, masks)
        assert difference(logits[..., ::32, ::32], golden[f"{name} logits"]) <= LIMIT
        assert difference(scores, golden[f"{name} scores"]) <= LIMIT


def test_vit_b_equals_golden_arrays(golden):
    ours = build_sam("sam-vit-b")
    fill(ours)
    expected = golden["sam-vit-b embedding"]
    assert difference(ours(picture())[:, ::16, ::8, ::8], expected) <= LIMIT
    # An official checkpoint runs on the embedded graph, without torch.
    tensors = {name: value.numpy() for name, value in ours.state_dict().items()}
    runtime = OnnxRuntime(Network(get_card("sam-vit-b"), tensors, Path()), threads=1)
    assert difference(torch.from_numpy(runtime.encode(picture().numpy()))[:, ::16, ::8, ::8], expected) <= LIMIT


@pytest.mark.parametrize(
    "config",
    [
        ViTConfig(channels=1024, depth=2, heads=16, global_blocks=(1,), grid=20),
        ViTConfig(channels=1280, depth=2, heads=16, global_blocks=(0,), grid=20),
        ViTConfig(channels=160, depth=3, heads=2, global_blocks=(1,), grid=28),
        ViTConfig(channels=160, depth=2, heads=2, global_blocks=(1,), grid=40),
    ],
    ids=["wide as L", "wide as H", "no padding", "fused"],
)
def test_shallow_vits(official, config):
    theirs, ours = vit_pair(official, config)
    side = config.grid * config.patch
    pictures = normal("small pictures", 2, 3, side, side)
    expected = theirs(pictures)
    assert difference(ours(pictures), expected) <= LIMIT
    assert difference(ours(pictures[1:]), expected[1:]) <= LIMIT


@pytest.mark.parametrize("kinds", COMBINATIONS.values(), ids=COMBINATIONS)
@pytest.mark.parametrize("objects", [1, OBJECTS])
def test_prompt_combinations(mobile_pair, embedding, kinds, objects):
    theirs, ours = mobile_pair
    points, labels, boxes, masks = parts = prompt_parts(kinds, objects)
    logits, scores = official_prediction(theirs, embedding, parts)
    prompt = (part.expand(objects, *part.shape[1:]) for part in arrange_prompts(points, labels, boxes))
    our_logits, our_scores = ours.predict_masks(embedding, *prompt, masks)
    assert logits.std() > 0.1
    assert difference(our_logits, logits) <= LIMIT
    assert difference(our_scores, scores) <= LIMIT


def test_one_and_three_masks_are_tokens_0_and_1_to_3(mobile_pair, embedding):
    theirs, ours = mobile_pair
    logits, scores = ours.predict_masks(embedding, *arrange_prompts(POINTS, LABELS, None), None)
    sparse, dense = theirs.prompt_encoder(points=(POINTS, LABELS), boxes=None, masks=None)
    positions = theirs.prompt_encoder.get_dense_pe()
    for several, chosen in ((False, slice(0, 1)), (True, slice(1, 4))):
        expected, expected_scores = theirs.mask_decoder(embedding, positions, sparse, dense, several)
        assert difference(logits[:, chosen], expected) <= LIMIT
        assert difference(scores[:, chosen], expected_scores) <= LIMIT


@pytest.mark.parametrize("masks", [None, MASKS], ids=["points", "points+mask"])
def test_ragged_objects_equal_each_alone(mobile_pair, embedding, masks):
    """Fillers may stand anywhere and hold anything, even NaN."""
    ours = mobile_pair[1]
    points, labels = arrange_prompts(POINTS, LABELS, None)
    lengths = (1, 3, 2)
    ragged, kinds = torch.full((OBJECTS, 5, 2), torch.nan), torch.full((OBJECTS, 5), LABEL_ABSENT)
    rows = []
    for i, length in enumerate(lengths):
        keep = [*range(length), 3]
        rows.append((points[i : i + 1, keep], labels[i : i + 1, keep]))
        places = slice(i % 2, i % 2 + length + 1)
        ragged[i, places], kinds[i, places] = rows[-1][0][0], rows[-1][1][0]
    logits, scores = ours.predict_masks(embedding, ragged, kinds, masks)
    for i, row in enumerate(rows):
        alone, alone_scores = ours.predict_masks(embedding, *row, None if masks is None else masks[i : i + 1])
        assert difference(logits[i : i + 1], alone) <= 1e-5
        assert difference(scores[i : i + 1], alone_scores) <= 1e-5


def test_shared_picture_equals_a_picture_per_object(mobile_pair, embedding):
    ours = mobile_pair[1]
    prompt = arrange_prompts(POINTS, LABELS, BOXES)
    shared, scores = ours.predict_masks(embedding, *prompt, None)
    copied, copied_scores = ours.predict_masks(embedding.expand(OBJECTS, -1, -1, -1), *prompt, None)
    assert difference(shared, copied) <= 1e-5
    assert difference(scores, copied_scores) <= 1e-5


def test_float_labels_and_double_points_are_accepted(mobile_pair, embedding):
    ours = mobile_pair[1]
    points, labels = arrange_prompts(POINTS.double(), LABELS.float(), None)
    assert points.dtype == torch.float32
    expected = ours.predict_masks(embedding, points, labels, None)
    for given, limit in zip(
        ours.predict_masks(embedding, points.double(), labels.float(), None), expected, strict=True
    ):
        assert given.dtype == torch.float32
        assert difference(given, limit) <= 1e-5


def test_sparse_tokens_match(mobile_pair):
    theirs, ours = mobile_pair
    for points, boxes in ((True, False), (False, True), (True, True)):
        given, box = (POINTS, LABELS) if points else None, BOXES if boxes else None
        expected, _ = theirs.prompt_encoder(points=given, boxes=box, masks=None)
        tokens = ours.prompt_encoder.sparse_tokens(*arrange_prompts(*(given or (None, None)), box))
        assert difference(tokens, expected) <= 1e-5
    expected = theirs.prompt_encoder.get_dense_pe().flatten(2).transpose(1, 2)
    assert difference(ours.prompt_encoder.dense_positions(), expected) <= 1e-5
