"""Prompts as touched pixels: the one form in which SEEM takes every prompt that says where (specification B1).

All is drawn at the size of the model's input. A point is a square of 3 x 3 pixels around the pixel that holds it, as
the clicks were with which SEEM was trained; a box, polygon, circle or mask is filled; a scribble has its width.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from promptseg.arrays import BoolArray
from promptseg.geometry import Size
from promptseg.prompts.prompt import PlacePrompt, Prompt


@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """Where the user touched a picture.

    Attributes:
        positive: (H, W) bool, pixels that belong to the object.
        negative: (H, W) bool, pixels that do not.
    """

    positive: BoolArray
    negative: BoolArray

    def __bool__(self) -> bool:
        return bool(self.positive.any() or self.negative.any())


def touched_pixels(prompts: Iterable[Prompt], picture: tuple[int, int], size: tuple[int, int]) -> Touched:
    """Draws the prompts of one object; those that say what, not where (text and so on), are passed over.

    Args:
        prompts: in pixels of the picture.
        picture: its height and width.
        size: height and width of the resized picture that the model sees, without padding.

    Raises:
        PromptError: a prompt does not touch the picture, or a mask is empty.
    """
    result = Touched(np.zeros(size, np.bool_), np.zeros(size, np.bool_))
    for prompt in prompts:
        if isinstance(prompt, PlacePrompt):
            target = result.positive if prompt.positive else result.negative
            target |= prompt.touched(Size(*picture), Size(*size))
    return result
