"""From the prompts of a request to prompts of promptseg, within the limits."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from promptseg.errors import PromptError
from promptseg.images import Image
from promptseg.notes import told
from promptseg.prompts.types import Prompt, Reference, prompt_from_json
from promptseg.server.ears import Ears
from promptseg.server.http_errors import too_large
from promptseg.server.schemas import AudioPrompt, MaskPrompt, ReferencePrompt, StoredPicture, Strict, TextPrompt
from promptseg.server.settings import Limits

SMALL_MASK = 2**22
"""Mask prompts may have so many pixels, or as many as the picture."""


def flat(prompts: Sequence[Any]) -> list[Any]:
    """Returns the prompts of all objects in one list."""
    return [part for item in prompts for part in (item if isinstance(item, list) else [item])]


def stored_references(prompts: Sequence[Any]) -> set[str]:
    """Returns the ids of the stored pictures that prompts refer to."""
    return {
        prompt.image.id
        for prompt in flat(prompts)
        if isinstance(prompt, ReferencePrompt) and isinstance(prompt.image, StoredPicture)
    }


def check(prompts: Sequence[Any], limits: Limits, pixels: int) -> None:
    """Refuses prompts that are too many or too large.

    Raises:
        HttpError: 413 or 422.
    """
    objects = sum(isinstance(item, list) for item in prompts)
    if objects > limits.max_prompt_objects:
        raise too_large(f"{objects:,} objects were asked for; one request takes at most {limits.max_prompt_objects:,}.")
    parts = flat(prompts)
    recordings = sum(isinstance(part, AudioPrompt) for part in parts)
    if recordings > limits.max_recordings:
        raise too_large(f"{recordings:,} recordings came; one request takes at most {limits.max_recordings:,}.")
    _check_masks([part for part in map(_place, parts) if isinstance(part, MaskPrompt)], limits, pixels)


def write_down(prompts: Sequence[Any], ears: Ears) -> tuple[list[Any], list[str]]:
    """Returns prompts with phrases in the place of recordings, and the phrases; blocks when there are recordings.

    Raises:
        HttpError: 413, or 422 where the server has no speech recognition.
        PromptError: a recording is damaged, too long, or not understood.
    """
    phrases: list[str] = []

    def written(part: Any) -> Any:
        if not isinstance(part, AudioPrompt):
            return part
        phrases.append(ears.hear(part.file, part.language).phrase)
        return TextPrompt(type="text", phrase=phrases[-1])

    asked = [list(map(written, item)) if isinstance(item, list) else written(item) for item in prompts]
    return asked, phrases


def _place(prompt: Any) -> Any:
    return prompt.mask if isinstance(prompt, ReferencePrompt) else prompt


def _check_masks(masks: Sequence[MaskPrompt], limits: Limits, pixels: int) -> None:
    """Checks sizes before anything is painted."""
    total = 0
    for mask in masks:
        height, width = mask.segmentation.size
        if height < 1 or width < 1 or height * width > max(pixels, SMALL_MASK):
            raise PromptError(
                f"A mask prompt of {width} x {height} pixels: it has at least one, and at most as many as the picture."
            )
        total += height * width
    if total > limits.max_pixels:
        raise too_large(f"The mask prompts have {total:,} pixels together; the limit is {limits.max_pixels:,}.")


def to_prompts(prompts: Sequence[Any], pictures: Mapping[str, Image], limits: Limits) -> Any:
    """Makes the prompts of promptseg; blocks when there are masks or pictures to read.

    Args:
        prompts: checked ones, flat or one list per object.
        pictures: the stored pictures that references speak of, by id.
        limits: what a picture that comes along may be.

    Raises:
        PromptError: one is malformed.
        ImageError: a picture that comes along cannot be read.
    """
    return [
        [_prompt(part, pictures, limits) for part in item]
        if isinstance(item, list)
        else _prompt(item, pictures, limits)
        for item in prompts
    ]


def _prompt(prompt: Strict, pictures: Mapping[str, Image], limits: Limits) -> Prompt:
    if not isinstance(prompt, ReferencePrompt):
        return prompt_from_json(prompt.model_dump(), paths=False)
    if isinstance(prompt.image, StoredPicture):
        image = pictures[prompt.image.id]
    else:
        try:
            content = base64.b64decode(prompt.image.png, validate=True)
        except ValueError as error:
            raise PromptError(f"A reference's picture is not base64: {error}.") from error
        with told(lambda text: None):
            image = Image.open(content, limits=limits.image)
    return Reference(image, _prompt(prompt.mask, pictures, limits))  # type: ignore[arg-type]
