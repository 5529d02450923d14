import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as oracle

from promptseg.errors import InputError
from promptseg.masks.overlap import box_nms, intersection_area, iou, iou_matrix, mask_nms, union
from promptseg.masks.rle import RLE

STACKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 8), st.integers(1, 8)))


def encode(stack):
    return [RLE.encode(mask) for mask in stack]


@given(STACKS)
def test_iou_agrees_with_pycocotools(stack):
    masks = encode(stack)
    cut = len(masks) // 2
    coco = [oracle.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in stack]
    result = iou_matrix(masks[:cut], masks[cut:])
    assert result.shape == (cut, len(masks) - cut)
    if cut:
        expected = oracle.iou(coco[:cut], coco[cut:], [0] * (len(masks) - cut))
        assert np.allclose(result, np.nan_to_num(expected), atol=1e-12)
    for a, dense_a in zip(masks, stack, strict=True):
        assert intersection_area(a, masks[0]) == (dense_a & stack[0]).sum()
        assert iou(a, a) == float(dense_a.any())


def test_other_pictures_are_refused():
    a, b = RLE.empty((2, 3)), RLE.empty((3, 2))
    for function in (iou, intersection_area):
        with pytest.raises(InputError, match="different pictures"):
            function(a, b)
    with pytest.raises(InputError, match="different pictures"):
        iou_matrix([a], [b])


def reference_nms(overlap, scores, threshold):
    kept = []
    for index in np.argsort(-scores, kind="stable").tolist():
        if all(overlap[index, other] <= threshold for other in kept):
            kept.append(index)
    return kept


@given(STACKS, st.integers(0, 1000), st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]))
def test_mask_nms_agrees_with_the_matrix(stack, seed, threshold):
    masks = encode(stack)
    scores = np.random.default_rng(seed).integers(0, 4, len(masks)) / 4
    expected = reference_nms(iou_matrix(masks, masks), scores, threshold)
    assert mask_nms(masks, scores, threshold).tolist() == expected


@given(st.integers(0, 30), st.integers(0, 1000), st.sampled_from([0.0, 0.3, 0.7]))
def test_box_nms_agrees_with_the_matrix(count, seed, threshold):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 10, (count, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1)], -1)
    scores = rng.integers(0, 4, count) / 4
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    low, high = (np.maximum(boxes[:, None, :2], boxes[None, :, :2]), np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]))
    shared = np.clip(high - low, 0, None).prod(-1)
    overlap = shared / (areas[:, None] + areas[None] - shared)
    assert box_nms(boxes, scores, threshold).tolist() == reference_nms(overlap, scores, threshold)


def test_nothing_to_suppress():
    assert mask_nms([], [], 0.5).tolist() == []
    assert box_nms(np.empty((0, 4)), [], 0.5).tolist() == []
    assert iou_matrix([], []).shape == (0, 0)


@given(STACKS)
def test_union(stack):
    assert union(encode(stack), stack.shape[1:]) == RLE.encode(stack.any(axis=0))
    assert union([], (3, 4)) == RLE.empty((3, 4))
