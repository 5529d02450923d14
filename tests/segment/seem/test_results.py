"""Queries to results: against the official code's arrays, and on cases small enough to count."""

from pathlib import Path

import numpy as np
import pytest

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.resample import Enlargement
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.segment.seem.results import instances, matching, panoptic, semantic, semantic_bands, semantic_map
from promptseg.vocabulary import COCO_PANOPTIC, Category, Vocabulary

GOLDEN = Path(__file__).parents[2] / "golden" / "seem_postprocess" / "official.npz"
FRAME = Enlargement((96, 128), (90, 121), (135, 180))


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def queries(golden):
    return golden["mask_cls"], golden["mask_pred_lowres"]


def test_official_enlarging(golden):
    low = golden["mask_pred_lowres"][:11]
    whole = np.stack([FRAME.logits(mask) for mask in low])
    np.testing.assert_allclose(whole[:, ::5, ::5], golden["postprocessed_slice"], atol=1e-4)
    padded = Enlargement((96, 128), (96, 128), (96, 128), second="bilinear")
    once = np.stack([padded.logits(mask) for mask in low])
    np.testing.assert_allclose(once[:, ::4, ::4], golden["upsampled_slice"], atol=1e-4)


def test_official_semantic_map(golden, queries):
    whole = np.concatenate(list(semantic_bands(*queries, FRAME)), axis=1)
    np.testing.assert_allclose(whole[:, ::18, ::18], golden["semantic_slice"], atol=1e-5)
    numbers = semantic_map(*queries, FRAME)
    assert np.array_equal(numbers, golden["semantic_argmax"])
    result = semantic(*queries, FRAME, COCO_PANOPTIC)
    assert result.segments.areas.sum() == numbers.size
    for mask, category in zip(result.segments.masks, result.categories, strict=True):
        assert mask.area == (numbers == COCO_PANOPTIC.ids.index(category.id)).sum()
    assert (np.diff(result.segments.areas) <= 0).all()


@pytest.mark.parametrize(("name", "score"), [("08", 0.8), ("04", 0.4)])
def test_official_panoptic(golden, queries, name, score):
    result = panoptic(*queries, FRAME, COCO_PANOPTIC, score=score)
    assert np.array_equal(result.id_map(), golden[f"panoptic_{name}"])
    rows = [
        [place, int(category.thing), COCO_PANOPTIC.ids.index(category.id)]
        for place, category in enumerate(result.categories, start=1)
    ]
    assert rows == golden[f"seg_{name}"].tolist()
    assert result.segments.labels == tuple(COCO_PANOPTIC.labels[row[2]] for row in rows)
    assert (result.segments.scores > score).all()


def test_official_instances(golden, queries):
    result = instances(*queries, FRAME, COCO_PANOPTIC)
    np.testing.assert_allclose(result.scores, golden["inst_scores_sorted"], atol=1e-5)
    numbers = [COCO_PANOPTIC.labels.index(label) for label in result.labels]
    assert numbers == golden["inst_classes_sorted"].tolist()
    assert result.areas.tolist() == golden["inst_area_sorted"].tolist()
    assert len(instances(*queries, FRAME, COCO_PANOPTIC, things_only=False)) == 100
    assert len(instances(*queries, FRAME, COCO_PANOPTIC, top=7, things_only=False)) == 7


# Cases to count: a picture of 4 x 8 pixels, and the grid is the picture. Mask logits +6 inside, -6 outside.

ZOO = Vocabulary.of(["dog", "cat"], stuff=["sand"])
DOG, CAT, SAND, NOTHING = range(4)
PLAIN = Enlargement((4, 8), (4, 8), (4, 8))
IN = 1 / (1 + np.exp(-6.0))


def block(x0, x1, y0=0, y1=4, inside=6.0, outside=-6.0):
    logits = np.full((4, 8), outside, np.float32)
    logits[y0:y1, x0:x1] = inside
    return logits


def scene(*parts):
    """Each part: class, probability of that class (the rest is spread over the others), mask."""
    classes = np.zeros((len(parts), 4))
    for row, (number, probability, _) in zip(classes, parts, strict=True):
        row[:] = (1 - probability) / 3
        row[number] = probability
    return np.log(classes).astype(np.float32), np.stack([mask for _, _, mask in parts])


def found(result):
    return [(label, area) for label, area in zip(result.segments.labels, result.segments.areas.tolist(), strict=True)]


def test_queries_below_the_score_and_of_nothing_are_no_segments():
    queries = scene((DOG, 0.9, block(0, 2)), (DOG, 0.79, block(2, 4)), (NOTHING, 0.99, block(4, 8)))
    result = panoptic(*queries, PLAIN, ZOO)
    assert found(result) == [("dog", 8)]
    assert result.segments.scores.tolist() == pytest.approx([0.9])
    assert result.id_map()[0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert found(panoptic(*queries, PLAIN, ZOO, score=0.7)) == [("dog", 8), ("dog", 8)]


def test_overlaps_go_to_the_surer_query_and_leavings_are_dropped():
    # the cat keeps columns 4 to 7 of its mask 3 to 7: 16 / 20 is just enough
    queries = scene((DOG, 0.95, block(0, 4)), (CAT, 0.9, block(3, 8)))
    result = panoptic(*queries, PLAIN, ZOO)
    assert found(result) == [("dog", 16), ("cat", 16)]
    # here it keeps 12 / 20, which is too little, and its pixels belong to nobody
    queries = scene((DOG, 0.95, block(0, 5)), (CAT, 0.9, block(3, 8)))
    result = panoptic(*queries, PLAIN, ZOO)
    assert found(result) == [("dog", 20)]
    assert result.id_map()[0].tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert found(panoptic(*queries, PLAIN, ZOO, overlap=0.6)) == [("dog", 20), ("cat", 12)]


def test_pixels_won_below_one_half_count_for_the_overlap_but_are_not_drawn():
    # the dog wins all pixels, since nobody else is there, but only 2 columns reach one half
    result = panoptic(*scene((DOG, 0.9, block(0, 2))), PLAIN, ZOO)
    assert found(result) == [("dog", 8)]
    # the cat keeps 3 of its 4 columns, too little, but wins columns 5 to 7 below one half: 6 / 4 is enough
    result = panoptic(*scene((DOG, 0.95, block(0, 2)), (CAT, 0.9, block(1, 5, outside=-3.0))), PLAIN, ZOO)
    assert found(result) == [("dog", 8), ("cat", 12)]


def test_stuff_is_merged_and_things_are_not():
    queries = scene(
        (SAND, 0.85, block(0, 2)), (DOG, 0.9, block(2, 4)), (SAND, 0.95, block(4, 6)), (DOG, 0.9, block(6, 8))
    )
    result = panoptic(*queries, PLAIN, ZOO)
    assert found(result) == [("sand", 16), ("dog", 8), ("dog", 8)]
    assert result.id_map()[0].tolist() == [1, 1, 2, 2, 1, 1, 3, 3]
    assert result.segments.scores[0] == pytest.approx(0.95)
    assert result.categories == (Category(3, "sand", False), Category(1, "dog", True), Category(1, "dog", True))
    assert len(result.things) == 2
    assert len(result.stuff) == 1


def test_nothing_at_all():
    queries = scene((NOTHING, 0.9, block(0, 8)), (DOG, 0.9, block(0, 0)))
    result = panoptic(*queries, PLAIN, ZOO)
    assert len(result) == 0
    assert not result.id_map().any()
    classes, masks = queries
    assert len(instances(classes[1:], masks[1:], PLAIN, ZOO)) == 0, "an empty mask is no instance"


def test_instances_are_scored_by_class_and_mask():
    faint = block(4, 8, inside=1.0)
    queries = scene((DOG, 0.6, block(0, 2)), (CAT, 0.7, faint), (SAND, 0.9, block(0, 8)))
    result = instances(*queries, PLAIN, ZOO, top=3)
    assert result.labels == ("dog", "cat"), "the third of the best three is stuff"
    half = 1 / (1 + np.exp(-1.0))
    assert result.scores.tolist() == pytest.approx([0.6 * IN, 0.7 * half], rel=1e-5)
    assert result.areas.tolist() == [8, 16]
    assert instances(*queries, PLAIN, ZOO, top=3, things_only=False).labels == ("sand", "dog", "cat")
    both = instances(*queries, PLAIN, ZOO)
    assert sorted(both.labels) == sorted(["dog", "cat"] * 3), "every query comes with every class"


def test_semantic_sums_over_queries():
    # two weak dogs together outweigh one stronger cat: 2 x 0.5 against 0.7 + 2 x (0.5 / 3)
    queries = scene((DOG, 0.5, block(0, 4)), (DOG, 0.5, block(0, 4)), (CAT, 0.7, block(0, 8)))
    bands = np.concatenate(list(semantic_bands(*queries, PLAIN)), axis=1)
    out = 1 - IN
    assert bands[DOG, 0, 0] == pytest.approx(2 * 0.5 * IN + 0.1 * IN, rel=1e-5)
    assert bands[CAT, 0, 7] == pytest.approx(0.7 * IN + 2 * (0.5 / 3) * out, rel=1e-5)
    assert semantic_map(*queries, PLAIN)[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert [segment for segment in semantic(*queries, PLAIN, ZOO).segments.labels] == ["dog", "cat"]


def test_all_that_match_a_phrase():
    masks = np.stack([block(0, 2), block(0, 2, inside=1.0), block(4, 6), block(6, 8), block(0, 0), block(4, 8)])
    scores = [0.5, 0.9, 0.8, 0.2, 0.99, 0.3]
    result = matching(scores, masks, PLAIN, "a dog", threshold=0.3)
    half = 1 / (1 + np.exp(-1.0))
    # the second is the first, less sharp: 0.9 x 0.73 > 0.5 x 0.998, so it stays and the first goes
    assert result.scores.tolist() == pytest.approx([0.8 * IN, 0.9 * half, 0.3 * IN], rel=1e-5)
    assert result.labels == ("a dog",) * 3
    assert result.areas.tolist() == [8, 8, 16]
    assert result.object_ids.tolist() == [0, 0, 0]
    assert np.array_equal(result.low_res_logits, masks[[2, 1, 5]])
    assert len(matching(scores, masks, PLAIN, threshold=0.3, iou=0.4)) == 2, "half of 4 to 8 is 4 to 6"
    assert len(matching(scores, masks, PLAIN, threshold=1.0)) == 0


def test_arrays_that_do_not_fit():
    classes, masks = scene((DOG, 0.9, block(0, 2)))
    for call in (
        lambda: panoptic(classes[:, :3], masks, PLAIN, ZOO),
        lambda: instances(classes, masks[0], PLAIN, ZOO),
        lambda: semantic_map(classes[0], masks, PLAIN),
        lambda: semantic(classes, np.concatenate([masks, masks]), PLAIN, ZOO),
    ):
        with pytest.raises(InputError, match=r"fit together|needs 4 class logits"):
            call()
    with pytest.raises(InputError, match="do not fit"):
        matching([0.5, 0.5], masks, PLAIN, threshold=0.1)


def test_panoptic_segments_are_disjoint_and_complete():
    mask, other = RLE.encode(block(0, 4) > 0), RLE.encode(block(3, 8) > 0)
    dog = Category(1, "dog", True)
    with pytest.raises(InputError, match="overlap"):
        PanopticSegments(Segments(Size(4, 8), (mask, other)), (dog, dog))
    with pytest.raises(InputError, match="as many categories"):
        PanopticSegments(Segments(Size(4, 8), (mask,)), ())
