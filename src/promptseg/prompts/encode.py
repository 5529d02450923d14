"""Turns prompts into SAM's tokens: labelled points, two box corners, and one low-resolution mask of logits.

SAM knows points, one box and one mask. A polygon, a scribble or a full-size mask is drawn onto the 256 x 256 prompt
grid and from there fed as a box, as interior points, as mask logits, or as a combination of them; which combination
is best was measured for each type (docs/decisions/0010-feeds-of-drawn-prompts.md) and stands in its class as `feed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptseg.arrays import Float32, Float64, Int64
from promptseg.errors import PromptError
from promptseg.geometry import (
    LABEL_ABSENT,
    LABEL_BOX_END,
    LABEL_BOX_START,
    LABEL_NEGATIVE,
    LABEL_PAD,
    LABEL_POSITIVE,
    MaskGrid,
    ResizeFrame,
)
from promptseg.prompts.places import Circle, Point, Scribble
from promptseg.prompts.prompt import Feed, PlacePrompt
from promptseg.prompts.shapes import box_of
from promptseg.prompts.types import ObjectPrompts, Prompt

MASK_LOGIT = 10.0
"""Magnitude of the logits that stand for a certain pixel of a mask prompt (specification A3.5: 10 to 20)."""

SAME = 0.5
"""Two drawn areas that overlap by this IoU are drawings of one outline."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedObject:
    """Tokens of one object.

    Attributes:
        points: (N, 2) x, y in the resized frame, without SAM's half-pixel shift.
        labels: (N,) 1 positive, 0 negative, 2 and 3 box corners, -1 pad (present when there is no box).
        mask_logits: (256, 256), or None.
        ambiguous: a single click and nothing else, for which SAM's three masks are meant.
        again: strokes and circles, perhaps with clicks on the object, whose first answer is better fed back once as a
            mask prompt (measured).
        around: the box (4,) of a circle alone. Where the first answer lies in it for the most part, the circle was
            drawn around the object, and the box says more than that answer (measured).
    """

    points: Float32
    labels: Int64
    mask_logits: Float32 | None
    ambiguous: bool
    again: bool = False
    around: Float64 | None = None


def encode_object(
    prompts: ObjectPrompts,
    frame: ResizeFrame,
    *,
    memory: Float32 | None = None,
    feeds: Mapping[str, Feed] | None = None,
) -> EncodedObject:
    """Encodes all prompts of one object.

    Args:
        prompts: what the user gave for this object.
        frame: how the picture lies in the model's input.
        memory: low-resolution logits (256, 256) of the object's previous mask; they serve as the mask prompt
            unless the user gave a mask or polygon now.
        feeds: how drawn types are fed; by default the measured best.

    Raises:
        PromptError: a prompt lies outside the picture, two positive boxes speak of one object, there is nothing
            positive, or a type says what and not where.
    """
    points: list[tuple[float, float]] = []
    labels: list[int] = []
    box: Float64 | None = None
    drawn: Float32 | None = None
    for prompt in prompts:
        if not isinstance(prompt, PlacePrompt):
            raise PromptError(
                f"{prompt.kind.capitalize()} prompts say what and not where, and SAM takes places only: points, boxes, "
                "masks, polygons, circles or scribbles."
            )
        prompt.check_inside(frame.original)
        fed = prompt.fed(frame, (feeds or {}).get(prompt.kind, prompt.feed))
        points.extend(fed.points)
        labels.extend([LABEL_POSITIVE if prompt.positive else LABEL_NEGATIVE] * len(fed.points))
        if fed.given and box is not None:
            raise PromptError(
                "One object takes one positive box, got two. For two objects give a list per object: "
                "[[Box(...)], [Box(...)]]."
            )
        box = fed.box if box is None else box
        if fed.grid is not None:
            drawn = fed.grid if drawn is None else _joined(drawn, fed.grid)
    if not any(prompt.positive for prompt in prompts) and memory is None:
        raise PromptError("Every prompt is negative: give at least one positive prompt that shows the object.")
    if box is None:
        points.append((0.0, 0.0))
        labels.append(LABEL_PAD)
    else:
        points.extend([(box[0], box[1]), (box[2], box[3])])
        labels.extend([LABEL_BOX_START, LABEL_BOX_END])
    logits = memory if drawn is None else ((2 * drawn - 1) * MASK_LOGIT).astype(np.float32)
    clicks = sum(isinstance(prompt, Point) for prompt in prompts)
    ambiguous = len(prompts) == 1 and clicks == 1 and logits is None
    return EncodedObject(
        points=np.asarray(points, np.float32),
        labels=np.asarray(labels, np.int64),
        mask_logits=logits,
        ambiguous=ambiguous,
        again=logits is None and all(_touches(prompt) for prompt in prompts) and clicks < len(prompts),
        around=_around(prompts[0], frame) if len(prompts) == 1 and logits is None else None,
    )


def _joined(one: Float32, other: Float32) -> Float32:
    """Joins two drawn areas: parts of one object; or, where they mostly overlap, two drawings of one outline."""
    shared, either = np.minimum(one, other).sum(), np.maximum(one, other)
    return np.asarray((one + other) / 2 if shared >= SAME * either.sum() else either, np.float32)


def _touches(prompt: Prompt) -> bool:
    return isinstance(prompt, Point | Scribble | Circle) and prompt.positive


def _around(prompt: Prompt, frame: ResizeFrame) -> Float64 | None:
    if not (isinstance(prompt, Circle) and prompt.positive):
        return None
    return np.array(box_of(prompt.on_grid(frame) > 0.5), np.float64) * MaskGrid.CELL


def pad_objects(objects: Sequence[EncodedObject]) -> tuple[Float32, Int64]:
    """Stacks ragged objects into (B, N, 2) points and (B, N) labels; fillers are masked out of all attention."""
    longest = max(len(item.labels) for item in objects)
    points = np.zeros((len(objects), longest, 2), np.float32)
    labels = np.full((len(objects), longest), LABEL_ABSENT, np.int64)
    for row, item in enumerate(objects):
        points[row, : len(item.labels)] = item.points
        labels[row, : len(item.labels)] = item.labels
    return points, labels
