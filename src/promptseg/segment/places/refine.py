"""One round of a dialogue: from an object's answer so far and new prompts to a better answer."""

from dataclasses import dataclass, replace
from typing import TypeGuard

import numpy as np

from promptseg.arrays import Float32
from promptseg.geometry import LABEL_NEGATIVE, LABEL_POSITIVE, MaskGrid
from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE
from promptseg.masks.upsample import upsample_to_rle
from promptseg.models.companions.choice import Choice
from promptseg.models.companions.correction import BEFORE, DRAWN, FOLLOWED
from promptseg.models.companions.retouch import Shades
from promptseg.prompts.encode import EncodedObject, encode_object
from promptseg.prompts.request import Granularity
from promptseg.prompts.types import ObjectPrompts, Point, Scribble, WordPrompt
from promptseg.runtimes.companions import NO_COMPANIONS, Companions
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.answer import Answer
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places.predictor import choose, decode, decode_again
from promptseg.segment.places.retouch import retouch, shades


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
    tell (`Choice.correct`), another of its masks answers instead, or the one so far stays. Last, where a network was
    trained for it, the border is drawn anew after the pixels and all clicks (`places.retouch`); SAM is told its own
    mask in the next round all the same, as it was trained.
    """
    so_far = None if before is None else before.plain or before
    answer = _answer(runtime, embedded, so_far, prompts, granularity, companions.choice)
    network = companions.retouch
    if before is None or granularity != "auto" or network is None or not _clicks_alone(answer.prompts):
        return answer
    canvas = shades(embedded) if before.canvas is None else before.canvas
    places = embedded.frame.to_model([(click.x, click.y) for click in answer.prompts]) / MaskGrid.CELL
    signs = [click.positive for click in answer.prompts]
    clicks = np.column_stack([places, signs]).astype(np.float32)
    logits = retouch(network, embedded, canvas, answer.logits, before.logits, clicks)
    mask = upsample_to_rle(logits, embedded.frame)
    return replace(answer, mask=mask, logits=logits, plain=answer, canvas=canvas)


def _answer(
    runtime: Runtime,
    embedded: EmbeddedImage,
    before: PlaceAnswer | None,
    prompts: ObjectPrompts,
    granularity: Granularity,
    choice: Choice | None,
) -> PlaceAnswer:
    together = prompts if before is None else (*before.prompts, *prompts)
    item = encode_object(_places(together), embedded.frame, memory=None if before is None else before.logits)
    answers = decode(runtime, embedded, [item], choice=choice)
    if granularity == "auto":
        answers = decode_again(runtime, embedded, [item], answers)
    (found,) = answers
    ((index, kind),) = choose(found, item.ambiguous, granularity, embedded.frame)
    logits = found.logits[index]
    mask = upsample_to_rle(logits, embedded.frame)
    answer = PlaceAnswer(together, mask, logits, float(found.scores[index]), embedded, granularity=kind)
    sign = _direction(prompts)
    if before is None or granularity != "auto" or sign is None:
        return answer
    usual = answer if iou(before.mask, mask) >= SETTLED else _follow(before, answer, sign)
    if choice is None or not _clicks_alone(together):
        return usual
    drawn = [*found.logits, _without(before.logits, logits, sign), before.logits]
    scores = np.array([*found.scores, answer.score, before.score], np.float32)
    number = DRAWN if usual is answer else FOLLOWED
    chosen = _chosen(choice, np.stack(drawn), scores, item, embedded, len(before.prompts), number)
    if chosen == number:
        return usual
    if chosen == BEFORE:
        return replace(before, prompts=together, granularity=None)
    if chosen == FOLLOWED:
        return _follow(before, answer, sign)
    mask = upsample_to_rle(drawn[chosen], embedded.frame)
    return replace(answer, mask=mask, logits=drawn[chosen], score=float(scores[chosen]))


def _chosen(
    choice: Choice,
    logits: Float32,
    scores: Float32,
    item: EncodedObject,
    embedded: EmbeddedImage,
    earlier: int,
    usual: int,
) -> int:
    """Asks the learned choice which candidate answers the clicks of an object, `earlier` of which are not new."""
    height, width = MaskGrid.of(embedded.frame)
    placed = item.labels >= LABEL_NEGATIVE
    clicks = np.column_stack([item.points[placed] / MaskGrid.CELL, item.labels[placed] == LABEL_POSITIVE])
    return choice.correct(logits[:, :height, :width], scores, clicks.astype(np.float32), earlier, usual)


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
