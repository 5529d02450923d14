"""What is known of one object after a round of a dialogue."""

from dataclasses import dataclass

import numpy as np

from promptseg.arrays import Float32
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.prompts.types import ObjectPrompts
from promptseg.segment.embedded import Embedded


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The answer to the prompts of one object, whatever the model.

    Attributes:
        prompts: everything that the user gave for it.
        mask: its mask.
        logits: the low-resolution logits of that mask, which the next round begins with.
        score: how good it is.
        embedded: the picture, or the part of it, that the logits lie on.
        label: what it is, where the model says so.
        granularity: the one asked for, if any.
        margin: how sure the choice among a click's masks was; see `Segments`. None where nothing was chosen.
        query: which of the network's queries it is, where the model has such.
    """

    prompts: ObjectPrompts
    mask: RLE
    logits: Float32
    score: float
    embedded: Embedded
    label: str | None = None
    granularity: str | None = None
    margin: float | None = None
    query: int | None = None

    def segments(self, object_id: int = 0) -> Segments:
        """Returns the answer as a result of one mask."""
        return Segments(
            size=self.mask.size,
            masks=(self.mask,),
            scores=np.array([self.score], np.float32),
            labels=(self.label,),
            prompts=(self.prompts,),
            object_ids=np.array([object_id]),
            granularities=(self.granularity,),
            low_res_logits=self.logits[None],
            image=self.embedded.image.pixels,
            margins=None if self.margin is None else np.array([self.margin], np.float32),
        )
