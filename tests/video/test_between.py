"""Between key frames masks are carried over from both sides; the networks look at fewer frames."""

import numpy as np
import pytest
from drawn import BLUE, RED, box, disc, painted

from promptseg import Mask
from promptseg.errors import InputError
from promptseg.evaluate.metrics import iou
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.video import track as module
from promptseg.video.between import AGREE, between, carried, flow


def side(x: float) -> tuple[Image, RLE]:
    mask = disc(x, 60, 22)
    return Image(painted((mask, RED), (box(150, 60, 16), BLUE))), RLE.encode(mask)


def over(first: tuple[Image, RLE], last: tuple[Image, RLE], now: Image) -> tuple[RLE, float]:
    return between((first[1], flow(now, first[0])), (last[1], flow(now, last[0])))


def test_a_mask_is_carried_over() -> None:
    mask, _ = over(side(50), side(66), side(58)[0])
    assert iou(mask.dense(), disc(58, 60, 22)) > 0.93
    _, agreement = over(side(52), side(58), side(54)[0])
    assert agreement > AGREE
    assert iou(side(50)[1].dense(), disc(58, 60, 22)) < 0.7, "it has moved indeed"


def test_a_mask_moves_with_its_pixels() -> None:
    """From one frame to the next the object is expected where it went, not where it was."""
    texture = np.random.default_rng(0).integers(0, 255, (30, 48, 3)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
    frames, masks = [], []
    for x in (50, 57):
        mask, frame = disc(x, 60, 22), painted()
        frame[mask] = np.roll(texture, x, axis=1)[mask]
        frames.append(Image(frame))
        masks.append(mask)
    moved = carried(RLE.encode(masks[0]), flow(frames[1], frames[0])) > 0.5
    assert iou(moved, masks[1]) > 0.9
    assert iou(masks[0], masks[1]) < 0.8


def test_what_rests_stays_and_what_jumps_is_doubted() -> None:
    mask, agreement = over(side(50), side(50), side(50)[0])
    assert agreement == 1
    assert iou(mask.dense(), disc(50, 60, 22)) > 0.98
    _, agreement = over(side(30), side(120), Image(painted((disc(75, 20, 12), BLUE))))
    assert agreement < AGREE
    nothing = (side(50)[0], RLE.empty((120, 192)))
    assert over(nothing, nothing, side(50)[0]) == (RLE.empty((120, 192)), 1.0)
    assert over(nothing, side(50), side(50)[0])[1] == 0


def test_fewer_frames_are_looked_at(segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [40 + 3 * number for number in range(5)]
    pictures = [side(x)[0].pixels for x in places]
    asked: list[int] = []
    follow = module.follow

    def counted(runtime, looks, number, targets, *, cut=False):
        asked.append(number)
        return follow(runtime, looks, number, targets, cut=cut)

    monkeypatch.setattr(module, "follow", counted)
    track = segmenter.video(pictures)
    track.add(Mask(disc(40, 60, 22)))
    visited = [item.number for item in track.propagate("forward", every=2)]
    assert visited == list(range(5)), "in their order"
    assert asked == [2, 4]
    found = [iou(track.objects[0].masks[number][0].dense(), disc(x, 60, 22)) for number, x in enumerate(places)]
    assert np.min(found) > 0.85, found
    with pytest.raises(InputError, match="at least 1 frame apart"):
        list(track.propagate(every=0))
