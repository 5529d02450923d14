"""A prompt type is one class and one row of `PLACES`: JSON, grouping, checks, encoding, marks and masks follow."""

import json
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from promptseg import Point
from promptseg.errors import PromptError
from promptseg.geometry import ResizeFrame, Size
from promptseg.masks.draw import draw_prompts
from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE
from promptseg.prompts.checks import finite, sign
from promptseg.prompts.encode import encode_object
from promptseg.prompts.prompt import Feed, PlacePrompt
from promptseg.prompts.request import Request
from promptseg.prompts.shapes import Shape
from promptseg.prompts.touched import touched_pixels
from promptseg.prompts.types import PLACES, Polygon, Reference, prompt_from_json
from promptseg.segment.tiling.plan import bounds, within

SIZE = Size(300, 451)


@dataclass(frozen=True, slots=True)
class Ellipse(PlacePrompt):
    """An ellipse along the axes."""

    kind: ClassVar[str] = "ellipse"
    about: ClassVar[str] = "An ellipse over the object."
    form: ClassVar[str] = "x,y,across,down"
    example: ClassVar[str] = "320,210,40,30"
    feed: ClassVar[Feed] = Feed(box=True, points=1, mask=True)
    x: float
    y: float
    across: float
    down: float
    positive: bool = True

    def __post_init__(self):
        x, y, across, down = finite("An ellipse", self.x, self.y, self.across, self.down)
        self._set(x=x, y=y, across=across, down=down, positive=sign("An ellipse", self.positive))

    def shape(self, size):
        angles = np.arange(64) * (2 * math.pi / 64)
        return Shape(np.column_stack([self.x + self.across * np.cos(angles), self.y + self.down * np.sin(angles)]))

    def cropped(self, box, size):
        return Ellipse(self.x - box[0], self.y - box[1], self.across, self.down, self.positive)


FACE = Ellipse(220, 150, 150, 120)
BESIDE = Ellipse(20, 20, 15, 10, positive=False)


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setitem(PLACES, Ellipse.kind, Ellipse)


@pytest.mark.parametrize("prompt", [FACE, BESIDE])
def test_json_brings_it_back(prompt):
    record = json.loads(json.dumps(prompt.to_json()))
    assert record["type"] == "ellipse"
    assert prompt_from_json(record) == prompt
    shown = Reference(np.zeros((9, 9, 3), np.uint8), FACE)
    assert prompt_from_json(shown.to_json(), paths=False) == shown


def test_wrong_records_and_numbers():
    with pytest.raises(PromptError, match="lacks a field"):
        prompt_from_json({"type": "ellipse", "x": 1, "y": 2})
    with pytest.raises(PromptError, match="An ellipse needs numbers"):
        Ellipse("1", 2, 3, 4)
    with pytest.raises(PromptError, match=r"mask, ellipse, text, audio or reference\.$"):
        prompt_from_json({"type": "spell"})


def test_the_command_line_reads_it():
    assert Ellipse.from_text("220,150,150,120", "--ellipse") == FACE
    assert Ellipse.from_text("20,20,15,10", "--not-ellipse", positive=False) == BESIDE
    with pytest.raises(PromptError, match=r"--ellipse expects x,y,across,down in pixels .like 320,210,40,30."):
        Ellipse.from_text("1,2", "--ellipse")


def test_it_is_grouped_and_checked():
    request = Request.of([FACE, BESIDE])
    assert request.objects == ((FACE, BESIDE),)
    assert not request.says_what
    request.check(SIZE, semantic=False)
    request.check(SIZE, semantic=True)
    for semantic in (False, True):
        with pytest.raises(PromptError, match="This ellipse does not touch the picture of 451 x 300 pixels"):
            Request.of(Ellipse(900, 900, 9, 9)).check(SIZE, semantic=semantic)


def test_it_is_drawn_for_sam_and_for_seem():
    frame = ResizeFrame.fit(SIZE)
    polygon = Polygon(FACE.shape(SIZE).points)
    given, expected = encode_object((FACE, BESIDE), frame), encode_object((polygon, BESIDE), frame)
    assert np.array_equal(given.points, expected.points)
    assert given.labels.tolist() == [1, 0, 2, 3]
    assert np.array_equal(given.mask_logits, expected.mask_logits)
    touched = touched_pixels([FACE, BESIDE], SIZE, SIZE)
    assert touched.positive.sum() == pytest.approx(math.pi * 150 * 120, rel=0.01)
    assert touched.negative.sum() == pytest.approx(math.pi * 15 * 10, rel=0.05)


def test_it_is_taken_to_a_tile():
    assert bounds((FACE,), SIZE) == pytest.approx((70, 30, 370, 270))
    assert within((FACE,), (50, 20, 400, 290), SIZE) == (Ellipse(170, 130, 150, 120),)


def test_it_is_marked():
    grey = np.full((*SIZE, 3), 128, np.uint8)
    drawn = draw_prompts(grey, [FACE, BESIDE])
    assert drawn.getpixel((200, 100))[1] > 128 > drawn.getpixel((200, 100))[0]
    assert drawn.getpixel((18, 18))[0] > 128 > drawn.getpixel((18, 18))[1]


def test_it_is_segmented(segmenter, embedded):
    image = embedded("chelsea")
    found = segmenter.segment(image, [FACE, BESIDE])
    assert found.prompts == ((FACE, BESIDE),)
    assert iou(found.masks[0], RLE.encode(FACE.touched(SIZE, SIZE))) > 0.3
    several = segmenter.segment(image, [[FACE], [Point(220, 150)]])
    assert several.object_ids.tolist() == [0, 1]
    session = segmenter.session(image)
    session.add(FACE)
    again = segmenter.restore(image, json.loads(json.dumps(session.to_json())))
    assert again.segments.masks == session.segments.masks
