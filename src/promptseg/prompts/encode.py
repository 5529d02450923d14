"""Turns prompts into SAM's tokens: labelled points, two box corners, and one low-resolution mask of logits.

SAM knows points, one box and one mask. A polygon, a scribble or a full-size mask is drawn onto the 256 x 256 prompt
grid and from there fed as a box, as interior points, as mask logits, or as a combination of them; which combination
is best was measured for each type (docs/decisions/0010-feeds-of-drawn-prompts.md) and stands in `FEEDS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32
from promptseg.errors import PromptError
from promptseg.geometry import ResizeFrame, Size
from promptseg.masks.distance import interior_points
from promptseg.masks.polygons import polygon_to_mask, stroke_to_mask
from promptseg.masks.upsample import downsample_mask
from promptseg.prompts.types import (
    Box,
    Circle,
    Mask,
    ObjectPrompts,
    Point,
    Polygon,
    Prompt,
    Scribble,
    WordPrompt,
)

GRID = 256
"""Side of the mask-prompt grid, which covers the padded 1024 x 1024 model frame."""

MASK_LOGIT = 10.0
"""Magnitude of the logits that stand for a certain pixel of a mask prompt (specification A3.5: 10 to 20)."""

NEGATIVE, POSITIVE, CORNER_START, CORNER_END, PAD, ABSENT = 0, 1, 2, 3, -1, -2


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """What of a drawn shape is given to SAM: its bounding box, this many interior points, its mask as logits."""

    box: bool = False
    points: int = 0
    mask: bool = False


FEEDS: dict[str, Feed] = {
    "polygon": Feed(box=True, points=1, mask=True),
    "mask": Feed(box=True, points=1, mask=True),
    "scribble": Feed(points=3),
}
"""The measured best feed of each drawn prompt type."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedObject:
    """Tokens of one object.

    Attributes:
        points: (N, 2) x, y in the resized frame, without SAM's half-pixel shift.
        labels: (N,) 1 positive, 0 negative, 2 and 3 box corners, -1 pad (present when there is no box).
        mask_logits: (256, 256), or None.
        ambiguous: a single click and nothing else, for which SAM's three masks are meant.
        again: strokes alone, whose first answer is better fed back once as a mask prompt (measured).
    """

    points: Float32
    labels: npt.NDArray[np.int64]
    mask_logits: Float32 | None
    ambiguous: bool
    again: bool = False


def encode_object(
    prompts: ObjectPrompts,
    frame: ResizeFrame,
    *,
    memory: Float32 | None = None,
    feeds: dict[str, Feed] | None = None,
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
            positive, or a type needs a model with semantics.
    """
    feeds = FEEDS if feeds is None else feeds
    points: list[tuple[float, float]] = []
    labels: list[int] = []
    box: npt.NDArray[np.float64] | None = None
    drawn: Float32 | None = None
    clicks = 0
    for given in prompts:
        prompt = given.polygon if isinstance(given, Circle) else given
        check_inside(prompt, frame.original)
        if isinstance(prompt, Point):
            points.append(tuple(frame.to_model((prompt.x, prompt.y))))
            labels.append(POSITIVE if prompt.positive else NEGATIVE)
            clicks += 1
        elif isinstance(prompt, Box) and prompt.positive:
            if box is not None:
                raise PromptError(
                    "One object takes one positive box, got two. For two objects give a list per object: "
                    "[[Box(...)], [Box(...)]]."
                )
            box = frame.to_model(_clip(prompt, frame.original)).reshape(4)
        elif isinstance(prompt, WordPrompt):
            raise PromptError(
                f"{prompt.kind.capitalize()} prompts need a model with semantics (SEEM), and this one, of the SAM "
                "family, has none. Use points, boxes, masks, polygons, circles or scribbles."
            )
        else:
            grid = draw_on_grid(prompt, frame)
            feed = feeds[prompt.kind] if not isinstance(prompt, Box) else Feed(points=1)
            if not prompt.positive:
                feed = Feed(points=max(1, feed.points))
            places = _along(prompt, frame, feed.points) if isinstance(prompt, Scribble) else []
            if feed.points and not places:
                places = [_from_grid(x, y) for x, y in interior_points(grid > 0.5, feed.points)]
            points.extend(places)
            labels.extend([POSITIVE if prompt.positive else NEGATIVE] * len(places))
            if feed.box and box is None:
                box = _grid_box(grid)
            if feed.mask:
                drawn = grid if drawn is None else np.maximum(drawn, grid)
    if not any(prompt.positive for prompt in prompts) and memory is None:
        raise PromptError(
            "Every prompt is negative: give at least one positive prompt that shows the object."
        )
    if box is None:
        points.append((0.0, 0.0))
        labels.append(PAD)
    else:
        points.extend([(box[0], box[1]), (box[2], box[3])])
        labels.extend([CORNER_START, CORNER_END])
    logits = memory if drawn is None else ((2 * drawn - 1) * MASK_LOGIT).astype(np.float32)
    return EncodedObject(
        points=np.asarray(points, np.float32),
        labels=np.asarray(labels, np.int64),
        mask_logits=logits,
        ambiguous=len(prompts) == clicks == 1 and logits is None,
        again=logits is None and all(isinstance(prompt, Scribble) and prompt.positive for prompt in prompts),
    )


def pad_objects(objects: Sequence[EncodedObject]) -> tuple[Float32, npt.NDArray[np.int64]]:
    """Stacks ragged objects into (B, N, 2) points and (B, N) labels; fillers are masked out of all attention."""
    longest = max(len(item.labels) for item in objects)
    points = np.zeros((len(objects), longest, 2), np.float32)
    labels = np.full((len(objects), longest), ABSENT, np.int64)
    for row, item in enumerate(objects):
        points[row, : len(item.labels)] = item.points
        labels[row, : len(item.labels)] = item.labels
    return points, labels


def draw_on_grid(prompt: Prompt, frame: ResizeFrame) -> Float32:
    """Draws a polygon, scribble, box or mask onto the (256, 256) prompt grid, as values from 0 to 1."""
    if isinstance(prompt, Mask):
        return _shrink(prompt, frame)
    scale = GRID / frame.side
    size = Size(GRID, GRID)
    if isinstance(prompt, Box):
        x0, y0, x1, y1 = frame.to_model(_clip(prompt, frame.original)).reshape(4) * scale
        shape = polygon_to_mask(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), size)
        outline = np.array([((x0 + x1) / 2, (y0 + y1) / 2)])
    elif isinstance(prompt, Polygon):
        outline = frame.to_model(prompt.points) * scale
        shape = polygon_to_mask(outline, size)
    elif isinstance(prompt, Scribble):
        outline = frame.to_model(prompt.points) * scale
        width = min(
            max(1.0, prompt.width * scale * max(frame.factors)), 4.0 * GRID
        )  # no wider: it takes time
        shape = stroke_to_mask(outline, width, size)
    else:
        raise TypeError(f"{type(prompt).__name__} has no shape to draw.")
    if not shape.any():  # thinner than a grid cell
        shape = stroke_to_mask(np.vstack([outline, outline[:1]]), 1.0, size)
    height, width = (
        -(-frame.resized.height * GRID // frame.side),
        -(-frame.resized.width * GRID // frame.side),
    )
    shape[height:], shape[:, width:] = False, False
    if not shape.any():
        raise PromptError(f"This {prompt.kind} does not touch the picture of {_spell(frame.original)}.")
    return shape.astype(np.float32)


def check_inside(prompt: Prompt, size: Size) -> None:
    """Refuses points outside the picture and boxes that do not touch it.

    Raises:
        PromptError: the prompt lies outside.
    """
    if isinstance(prompt, Point) and not (0 <= prompt.x <= size.width and 0 <= prompt.y <= size.height):
        raise PromptError(
            f"The point {prompt.x:g},{prompt.y:g} lies outside the picture of {_spell(size)}. "
            "Coordinates are x,y in pixels of the original picture, from the top-left corner."
        )
    if isinstance(prompt, Box):
        x0, y0, x1, y1 = _clip(prompt, size).reshape(4)
        if x1 <= x0 or y1 <= y0:
            corners = ",".join(f"{value:g}" for value in prompt.xyxy)
            raise PromptError(f"The box {corners} does not overlap the picture of {_spell(size)}.")


def _clip(box: Box, size: Size) -> npt.NDArray[np.float64]:
    corners = np.array(box.xyxy).reshape(2, 2)
    return np.clip(corners, 0, (size.width, size.height))


def _from_grid(x: float, y: float) -> tuple[float, float]:
    """Maps a cell centre of the grid to the resized frame, in SAM's convention (its own half-pixel comes later)."""
    return 4 * x - 0.5, 4 * y - 0.5


def _along(stroke: Scribble, frame: ResizeFrame, count: int) -> list[tuple[float, float]]:
    """Places `count` points at equal distances along a stroke, from its start to its end, inside the picture."""
    line = frame.to_model(stroke.points)
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    shares = np.linspace(0, lengths[-1], count)
    places = zip(*(np.interp(shares, lengths, line[:, axis]) for axis in (0, 1)), strict=True)
    height, width = frame.resized
    inside = [(float(x), float(y)) for x, y in places if 0 <= x <= width and 0 <= y <= height]
    return list(dict.fromkeys(inside))


def _shrink(prompt: Mask, frame: ResizeFrame) -> Float32:
    """Brings a mask to the grid; what is smaller than a cell keeps the cells that it covers most."""
    if not (prompt.array > 0.5).any():
        raise PromptError("This mask prompt is empty: no pixel is above one half.")
    grid = downsample_mask(prompt.array, frame, side=GRID)
    return grid if (grid > 0.5).any() else grid / grid.max()


def _grid_box(grid: Float32) -> npt.NDArray[np.float64]:
    rows, columns = np.flatnonzero((grid > 0.5).any(1)), np.flatnonzero((grid > 0.5).any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64) * 4


def _spell(size: Size) -> str:
    return f"{size.width} x {size.height} pixels"
