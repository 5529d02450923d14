"""One round of a dialogue: from an object's answer so far and new prompts to a better answer."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.encode import encode_object
from promptseg.prompts.types import ObjectPrompts
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.predictor import Granularity, choose, decode


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
    logits: npt.NDArray[np.float32]
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


def refine(
    runtime: Runtime,
    embedded: EmbeddedImage,
    before: Answer | None,
    prompts: ObjectPrompts,
    granularity: Granularity = "auto",
) -> Answer:
    """Answers all prompts of an object so far, with the previous logits as mask prompt (specification A3.6)."""
    together = prompts if before is None else (*before.prompts, *prompts)
    item = encode_object(together, embedded.frame, memory=None if before is None else before.logits)
    (found,) = decode(runtime, embedded, [item])
    ((index, kind),) = choose(found, item.ambiguous, granularity, embedded.frame)
    logits = found.logits[index]
    mask = upsample_to_rle(logits, embedded.frame)
    return Answer(together, mask, logits, float(found.scores[index]), kind, embedded)
