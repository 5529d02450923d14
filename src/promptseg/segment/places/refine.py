"""One round of a dialogue: from an object's answer so far and new prompts to a better answer."""

from dataclasses import dataclass, replace
from typing import TypeGuard

import numpy as np

from promptseg.arrays import BoolArray, Float32
from promptseg.geometry import LABEL_BOX_END, LABEL_BOX_START, LABEL_NEGATIVE, LABEL_PAD, LABEL_POSITIVE, MaskGrid
from promptseg.masks.distance import interior_points
from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE
from promptseg.masks.upsample import upsample_to_rle
from promptseg.models.companions.choice import Choice
from promptseg.models.companions.correction import BEFORE, DRAWN, FOLLOWED
from promptseg.models.companions.retouch import Shades
from promptseg.prompts.encode import EncodedObject, encode_object
from promptseg.prompts.request import Granularity
from promptseg.prompts.shapes import box_of
from promptseg.prompts.types import Mask, ObjectPrompts, PlacePrompt, Point, Polygon, Scribble, WordPrompt
from promptseg.runtimes.companions import NO_COMPANIONS, Companions
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.answer import Answer
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places.predictor import Candidates, choose, decode, decode_again
from promptseg.segment.places.remove import remove
from promptseg.segment.places.retouch import retouch, shades
from promptseg.segment.places.tidy import clicks_of, tidied


@dataclass(frozen=True, slots=True, eq=False)
class PlaceAnswer(Answer):
    """What is known of one object after a round, with what SAM goes on from.

    Attributes:
        plain: the answer before its border was drawn anew, which SAM goes on from.
        canvas: the picture as `places.retouch` needs it, once made.
    """

    plain: "PlaceAnswer | None" = None
    canvas: Shades | None = None


SETTLED = 0.7
"""A new mask that overlaps the old one by this IoU is taken as it is (chosen on dev sets, benchmarks/clicks.md)."""


def refine(
    runtime: Runtime,
    embedded: EmbeddedImage,
    before: PlaceAnswer | None,
    prompts: ObjectPrompts,
    granularity: Granularity = "auto",
    companions: Companions = NO_COMPANIONS,
) -> PlaceAnswer:
    """Answers all prompts of an object so far, with the previous logits as mask prompt (specification A3.6).

    A correction has a direction: clicks on the object ask for more, clicks beside it for less. SAM knows only the
    sum of all clicks and now and then answers one that adds a missing wheel by dropping the car. So a new mask that
    differs much from the old one may change it in the direction of the new clicks only. Where the model has learned to
    tell (`Choice.correct`), another of its masks answers instead, or the one so far stays. That was learned from
    dialogues of clicks alone; in all others negative prompts take away what they point at and nothing else
    (`places.remove`). Last, where a network was trained for it, the border is drawn anew after the pixels and all
    clicks (`places.retouch`), and specks and pinholes go (`places.tidy`); SAM is told its own mask in the next round
    all the same, as it was trained.
    """
    together = prompts if before is None else (*before.prompts, *prompts)
    so_far = None if before is None else before.plain or before
    answer, item = _answer(runtime, embedded, so_far, prompts, granularity, companions.choice)
    network = companions.retouch
    if network is None:
        return answer
    if before is None or granularity != "auto" or not _clicks_alone(together):
        mask = tidied(answer.mask, item, embedded.frame)
        if before is not None and granularity == "auto" and not any(prompt.positive for prompt in prompts):
            # A speck that was dropped beside a larger mask must not come back because the mask shrank.
            mask = RLE.encode(mask.dense() & before.mask.dense())
        return replace(answer, mask=mask)
    canvas = shades(embedded) if before.canvas is None else before.canvas
    logits = retouch(network, embedded, canvas, answer.logits, before.logits, clicks_of(item))
    mask = tidied(upsample_to_rle(logits, embedded.frame), item, embedded.frame)
    return replace(answer, mask=mask, logits=logits, plain=answer, canvas=canvas)


def _answer(
    runtime: Runtime,
    embedded: EmbeddedImage,
    before: PlaceAnswer | None,
    prompts: ObjectPrompts,
    granularity: Granularity,
    choice: Choice | None,
) -> tuple[PlaceAnswer, EncodedObject]:
    """Returns the answer and the tokens that it answers."""
    together = prompts if before is None else (*before.prompts, *prompts)
    item = _encoded(embedded, before, prompts)
    answers = decode(runtime, embedded, [item], choice=choice)
    if granularity == "auto":
        answers = decode_again(runtime, embedded, [item], answers)
    (found,) = answers
    ((index, kind, margin),) = choose(found, item.ambiguous, granularity, embedded.frame)
    answer = PlaceAnswer(
        together,
        upsample_to_rle(found.logits[index], embedded.frame),
        found.logits[index],
        float(found.scores[index]),
        embedded,
        granularity=kind,
        margin=margin if item.ambiguous else None,
    )
    if before is None or granularity != "auto":
        return answer, item
    sign = _direction(prompts)
    if sign is not None:
        answer = _corrected(embedded, before, answer, found, item, sign, choice)
    learned = choice is not None and _clicks_alone(answer.prompts)
    if not learned and not any(prompt.positive for prompt in prompts):
        answer = _removed(runtime, embedded, before, answer, found, prompts)
    return answer, item


def _corrected(
    embedded: EmbeddedImage,
    before: PlaceAnswer,
    answer: PlaceAnswer,
    found: Candidates,
    item: EncodedObject,
    sign: bool,
    choice: Choice | None,
) -> PlaceAnswer:
    """Chooses what answers a correction: the answer, its other masks, or what followed the direction of the clicks."""
    usual = answer if iou(before.mask, answer.mask) >= SETTLED else _follow(before, answer, sign)
    if choice is None or not _clicks_alone(answer.prompts):
        return usual
    drawn = [*found.logits, _without(before.logits, answer.logits, sign), before.logits]
    scores = np.array([*found.scores, answer.score, before.score], np.float32)
    number = DRAWN if usual is answer else FOLLOWED
    height, width = MaskGrid.of(embedded.frame)
    clicks = clicks_of(item)
    inside = np.stack(drawn)[:, :height, :width]
    chosen = choice.correct(inside, scores, clicks, len(before.prompts), number)
    if chosen == number:
        return usual
    if chosen == BEFORE:
        return replace(before, prompts=answer.prompts, granularity=None)
    if chosen == FOLLOWED:
        return _follow(before, answer, sign)
    mask = upsample_to_rle(drawn[chosen], embedded.frame)
    return replace(answer, mask=mask, logits=drawn[chosen], score=float(scores[chosen]))


def _removed(
    runtime: Runtime,
    embedded: EmbeddedImage,
    before: PlaceAnswer,
    answer: PlaceAnswer,
    found: Candidates,
    prompts: ObjectPrompts,
) -> PlaceAnswer:
    """Takes away what negative prompts point at, and nothing else; see `places.remove`."""
    frame = embedded.frame

    def ask() -> list[Float32]:
        items = [
            EncodedObject(np.array([place, (0, 0)], np.float32), np.array([LABEL_POSITIVE, LABEL_PAD]), None, True)
            for place in encode_object(_places(prompts), frame, memory=before.logits).points[:-1]
        ]
        return [logits for seen in decode(runtime, embedded, items) for logits in _largest_first(seen.logits[1:])]

    logits = remove(before.logits, [answer.logits, *found.logits], *_drawn(embedded, prompts), ask)
    if logits is None:
        return replace(before, prompts=answer.prompts, granularity=None)
    return replace(answer, mask=upsample_to_rle(logits, frame), logits=logits)


def _drawn(embedded: EmbeddedImage, prompts: ObjectPrompts) -> tuple[BoolArray, BoolArray]:
    """Returns what prompts point at, on the grid (256, 256), and what of it they outline."""
    pointed, outlined = np.zeros((2, MaskGrid.SIDE, MaskGrid.SIDE), np.bool_)
    for prompt in prompts:
        if isinstance(prompt, PlacePrompt):
            drawn = prompt.on_grid(embedded.frame) > 0.5
            pointed |= drawn
            outlined |= drawn & isinstance(prompt, Polygon | Mask)
    return pointed, outlined


def _largest_first(logits: Float32) -> list[Float32]:
    return sorted(logits, key=lambda one: -np.count_nonzero(one > 0))


def _encoded(embedded: EmbeddedImage, before: PlaceAnswer | None, prompts: ObjectPrompts) -> EncodedObject:
    """Encodes all places so far. Where none is positive, the mask so far stands for the words that it answers.

    SAM was never shown negative prompts alone, and drops the object: the box around the mask and its deepest place
    say where it is.
    """
    if before is None:
        return encode_object(_places(prompts), embedded.frame)
    places = _places((*before.prompts, *prompts))
    item = encode_object(places, embedded.frame, memory=before.logits)
    height, width = MaskGrid.of(embedded.frame)
    inside = before.logits[:height, :width] > 0
    if any(place.positive for place in places) or not inside.any():
        return item
    corners = np.reshape(box_of(inside), (2, 2)) * MaskGrid.CELL
    spots = item.points[item.labels == LABEL_NEGATIVE]
    columns, rows = np.minimum(spots / MaskGrid.CELL, (width - 1, height - 1)).astype(np.int64).T
    inside[rows, columns] = False
    middle = np.array(interior_points(inside, 1)) * MaskGrid.CELL - 0.5 if inside.any() else np.empty((0, 2))
    labels = [LABEL_POSITIVE] * len(middle) + [LABEL_NEGATIVE] * len(spots) + [LABEL_BOX_START, LABEL_BOX_END]
    return replace(item, points=np.vstack([middle, spots, corners]).astype(np.float32), labels=np.array(labels))


def _clicks_alone(prompts: ObjectPrompts) -> TypeGuard[tuple[Point, ...]]:
    return all(isinstance(prompt, Point) for prompt in prompts)


def _places(prompts: ObjectPrompts) -> ObjectPrompts:
    """What says where; words of earlier rounds have done their work, the mask remembers them."""
    return tuple(prompt for prompt in prompts if not isinstance(prompt, WordPrompt))


def _direction(prompts: ObjectPrompts) -> bool | None:
    """Whether new clicks and strokes ask for more (True) or less (False); None for both, or for other prompts."""
    signs = {prompt.positive if isinstance(prompt, Point | Scribble) else None for prompt in prompts}
    return signs.pop() if len(signs) == 1 else None


def _follow(before: PlaceAnswer, after: PlaceAnswer, sign: bool) -> PlaceAnswer:
    """Undoes what changed against the direction, in the mask and in the logits that the next round is fed."""
    old, new = before.mask.dense(), after.mask.dense()
    mask = RLE.encode(new | old if sign else new & old)
    return replace(after, mask=mask, logits=_without(before.logits, after.logits, sign))


def _without(before: Float32, after: Float32, sign: bool) -> Float32:
    inside, was_inside = after > 0, before > 0
    undone = was_inside & ~inside if sign else inside & ~was_inside
    return np.where(undone, before, after)
