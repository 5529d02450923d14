"""Proposals and the sweep beneath them, with a stand-in for the model and with the model."""

import numpy as np
import pytest
from test_edges import Discs, blank

from promptseg import Segmenter
from promptseg.errors import InputError
from promptseg.masks.overlap import box_nms, iou
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.types import Point
from promptseg.runtimes.protocol import DecoderInputs, DecoderOutputs
from promptseg.segment.everything import sweep as module
from promptseg.segment.everything.proposals import proposals, ranking
from promptseg.segment.everything.sweep import sweep


class Chaos(Discs):
    """Squares of random places and sizes with random scores, the same for the same point."""

    def decode(self, embedding, inputs, *, official=False):
        outputs = super().decode(embedding, inputs)
        scores = outputs.scores.copy()
        for row, (x, y) in enumerate(inputs.points[:, 0].tolist()):
            random = np.random.default_rng(int(1000 * x + y))
            scores[row] = random.random(4)
            for number in range(1, 4):
                left, top = random.integers(20, 30, 2)
                side = random.integers(20, 30)
                outputs.logits[row, number] = -7
                outputs.logits[row, number, top : top + side, left : left + side] = 7
        return DecoderOutputs(outputs.logits, scores)


def everything_at_once(runtime, embedded, per_side, nms):
    """The same without memory bounds: all masks, one NMS."""
    shares = (np.arange(per_side) + 0.5) / per_side
    height, width = embedded.size
    points = [(x * width, y * height) for y in shares for x in shares]
    rows = []
    for point in points:
        inputs = DecoderInputs(np.array([[embedded.frame.to_model(point), (0, 0)]], np.float32), np.array([[1, -1]]))
        found = runtime.decode(embedded.features, inputs)
        rows += [(point, *pair) for pair in zip(found.logits[0, 1:], found.scores[0, 1:], strict=True)]
    cells = [-(-side // 4) for side in embedded.frame.resized]
    boxes = []
    for _, logits, _ in rows:
        y, x = np.nonzero(logits[: cells[0], : cells[1]] > 0)
        boxes.append((x.min(), y.min(), x.max() + 1, y.max() + 1))
    return [rows[index] for index in box_nms(boxes, [score for *_, score in rows], nms).tolist()]


@pytest.mark.parametrize("nms", [0.3, 0.5, 0.7])
def test_rounds_give_what_one_large_nms_gives(monkeypatch, nms):
    """Also for masks that fell to one which fell later itself: they are decoded again."""
    monkeypatch.setattr(module, "_ROUND", 8)
    embedded = blank(200, 200)
    runtime = Chaos()
    found = sweep(runtime, embedded, points_per_side=8, nms=nms)
    if nms == 0.5:
        assert runtime.asked > 64, "this seed brings at least one back"
    expected = everything_at_once(Chaos(), embedded, 8, nms)
    assert [mask.point for mask in found] == [point for point, *_ in expected]
    assert [mask.score for mask in found] == [float(score) for *_, score in expected]
    for mask, (_, logits, _) in zip(found, expected, strict=True):
        assert upsample_to_rle(mask.held.whole(), embedded.frame) == upsample_to_rle(logits, embedded.frame)


def test_proposals_are_ranked_by_score_and_stability():
    """The small disc has the lower stability; with scores nearly equal, that decides."""
    runtime = Discs(radii=(4.0, 30.0, 12.0), scores=(0.90, 0.80, 0.85))
    found = proposals(runtime, blank(200, 300), points_per_side=1)
    assert found.scores.tolist() == pytest.approx([0.80, 0.85, 0.90])
    assert found.stability_scores is not None
    expected = [((radius - 1) / (radius + 1)) ** 2 for radius in (30, 12, 4)]
    assert found.stability_scores.tolist() == pytest.approx(expected, abs=0.03)
    assert found.prompts == ((Point(150, 100),),) * 3
    assert found.areas[0] > found.areas[1] > found.areas[2] > 0
    one = proposals(runtime, blank(200, 300), points_per_side=1, top=2)
    assert one.masks == found.masks[:2]
    assert proposals(runtime, blank(200, 300), points_per_side=4, top=5).scores.shape == (5,)


def test_ranking():
    both = Segments((4, 5), (), [])
    assert ranking(both).tolist() == []
    mask = proposals(Discs(), blank(20, 20), points_per_side=1).masks[0]
    known = Segments((20, 20), (mask, mask), [0.5, 0.9], stability_scores=np.array([1, 0.4], np.float32))
    assert ranking(known).tolist() == pytest.approx([0.75, 0.65])
    assert ranking(known.replace(stability_scores=None)).tolist() == pytest.approx([0.5, 0.9])


def test_nothing_to_propose():
    found = proposals(Discs(radii=(-1, -1, -1)), blank(20, 30), points_per_side=2)
    assert len(found) == 0
    assert found.size == (20, 30)
    assert found.stability_scores is not None
    assert found.stability_scores.shape == (0,)


def test_refusals():
    for arguments, hint in (
        ({"top": 0}, "got top=0"),
        ({"points_per_side": 0}, "from 1 to 1024, got 0"),
        ({"points_per_side": 5000}, "from 1 to 1024, got 5000"),
        ({"nms": -1}, "between 0 and 1, got -1"),
    ):
        with pytest.raises(InputError, match=hint):
            proposals(Discs(), blank(20, 30), **arguments)


def test_the_cat_is_proposed(segmenter, embedded):
    seen = []
    found = segmenter.proposals(embedded("chelsea"), points_per_side=4, on_progress=lambda *pair: seen.append(pair))
    assert seen == [(16, 16)]
    cat = segmenter.segment(embedded("chelsea"), Point(220, 150))
    assert max(iou(mask, cat.masks[0]) for mask in found.masks) > 0.8
    assert (np.diff(ranking(found)) <= 0).all()
    assert found.image is not None
    (point,) = found.prompts[0]
    official = Segmenter("mobile-sam", runtime="onnx", threads=1)  # proposals are its decoder's
    alike = official.segment(embedded("chelsea"), point, granularity="all")
    best = int(np.argmin(np.abs(alike.scores - found.scores[0])))
    assert alike.masks[best] == found.masks[0], "the same mask as by a click there"
