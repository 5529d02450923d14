"""One round of a dialogue: from an object's answer so far and new prompts to a better answer."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.encode import encode_object
from promptseg.prompts.types import ObjectPrompts, Point, Scribble, Semantic
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.predictor import Granularity, choose, decode, decode_again

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What is known of one object after a round: the memory of the dialogue.

    Attributes:
        prompts: everything that the user gave for it.
        mask: its mask.
        logits: (256, 256) low-resolution logits of that mask, the mask prompt of the next round.
        score: predicted IoU.
        granularity: the one asked for, if any.
        embedded: the picture, or the part of it, that the logits lie on.
    """

    prompts: ObjectPrompts
    mask: RLE
    logits: Float32
    score: float
    granularity: str | None
    embedded: EmbeddedImage

    def segments(self, object_id: int = 0) -> Segments:
        """Returns the answer as a result of one mask."""
        return Segments(
            size=self.mask.size,
            masks=(self.mask,),
            scores=np.array([self.score], np.float32),
            prompts=(self.prompts,),
            object_ids=np.array([object_id]),
            granularities=(self.granularity,),
            low_res_logits=self.logits[None],
            image=self.embedded.image.pixels,
        )


SETTLED = 0.7
"""A new mask that overlaps the old one by this IoU is taken as it is (chosen on dev sets, benchmarks/clicks.md)."""


def refine(
    runtime: Runtime,
    embedded: EmbeddedImage,
    before: Answer | None,
    prompts: ObjectPrompts,
    granularity: Granularity = "auto",
) -> Answer:
    """Answers all prompts of an object so far, with the previous logits as mask prompt (specification A3.6).

    A correction has a direction: clicks on the object ask for more, clicks beside it for less. SAM knows only the
    sum of all clicks and now and then answers one that adds a missing wheel by dropping the car. So a new mask that
    differs much from the old one may change it in the direction of the new clicks only.
    """
    together = prompts if before is None else (*before.prompts, *prompts)
    item = encode_object(_places(together), embedded.frame, memory=None if before is None else before.logits)
    answers = decode(runtime, embedded, [item])
    if granularity == "auto":
        answers = decode_again(runtime, embedded, [item], answers)
    (found,) = answers
    ((index, kind),) = choose(found, item.ambiguous, granularity, embedded.frame)
    logits = found.logits[index]
    mask = upsample_to_rle(logits, embedded.frame)
    if before is not None and granularity == "auto":
        sign = _direction(prompts)
        if sign is not None and iou(before.mask, mask) < SETTLED:
            logits, mask = _follow(before, logits, mask, sign)
    return Answer(together, mask, logits, float(found.scores[index]), kind, embedded)


def _places(prompts: ObjectPrompts) -> ObjectPrompts:
    """What says where; words of earlier rounds have done their work, the mask remembers them."""
    return tuple(prompt for prompt in prompts if not isinstance(prompt, Semantic))


def _direction(prompts: ObjectPrompts) -> bool | None:
    """Whether new clicks and strokes ask for more (True) or less (False); None for both, or for other prompts."""
    signs = {prompt.positive if isinstance(prompt, Point | Scribble) else None for prompt in prompts}
    return signs.pop() if len(signs) == 1 else None


def _follow(before: Answer, logits: Float32, mask: RLE, sign: bool) -> tuple[Float32, RLE]:
    """Undoes what changed against the direction, in the mask and in the logits that the next round is fed."""
    inside, was_inside = logits > 0, before.logits > 0
    if sign:
        undone = was_inside & ~inside
        dense = mask.dense() | before.mask.dense()
    else:
        undone = inside & ~was_inside
        dense = mask.dense() & before.mask.dense()
    return np.where(undone, before.logits, logits), RLE.encode(dense)
