"""Prompt types: immutable values that say where an object is, or what it is.

A prompt is positive ("this belongs to the object") unless `positive=False`. Every type checks itself when it is
made, turns into plain JSON with `to_json`, and comes back with `prompt_from_json`. Coordinates are pixels of the
original picture.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from promptseg.prompts.places import PLACES, Box, Circle, Mask, Point, Polygon, Scribble
from promptseg.prompts.prompt import PlacePrompt, Prompt, read_prompt
from promptseg.prompts.words import WORDS, Audio, Reference, Text, WordPrompt

__all__ = [
    "PLACES",
    "Audio",
    "Box",
    "Circle",
    "Mask",
    "ObjectPrompts",
    "PlacePrompt",
    "Point",
    "Polygon",
    "Prompt",
    "Reference",
    "Scribble",
    "Text",
    "WordPrompt",
    "known_prompts",
    "prompt_from_json",
]

ObjectPrompts: TypeAlias = tuple[Prompt, ...]
"""All prompts that speak of one object."""


def known_prompts() -> dict[str, type[Prompt]]:
    """Returns all types by their kinds, those that say where first."""
    return {**PLACES, **WORDS}


def prompt_from_json(record: Mapping[str, Any], *, paths: bool = True) -> Prompt:
    """Makes a prompt from the JSON that `to_json` wrote; see `read_prompt`."""
    return read_prompt(record, known_prompts(), paths=paths)
