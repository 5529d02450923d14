"""Prompt types: immutable values that say where an object is, in pixels of the original picture.

A prompt is positive ("this belongs to the object") unless `positive=False`. Every type checks itself when it is
made, turns into plain JSON with `to_json`, and comes back with `prompt_from_json`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from promptseg.errors import FormatError, PromptError
from promptseg.prompts.checks import FARTHEST, Vertices, short
from promptseg.prompts.places import Box, Circle, Mask, PlacePrompt, Point, Polygon, Scribble
from promptseg.prompts.words import Audio, Reference, Text, WordPrompt, picture_from_json

__all__ = [
    "FARTHEST",
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
    "Vertices",
    "WordPrompt",
    "group_objects",
    "prompt_from_json",
]

Prompt: TypeAlias = PlacePrompt | WordPrompt
"""One prompt."""

ObjectPrompts: TypeAlias = tuple[Prompt, ...]
"""All prompts that speak of one object."""


def prompt_from_json(record: Mapping[str, Any], *, paths: bool = True) -> Prompt:
    """Makes a prompt from the JSON that `to_json` wrote.

    Args:
        record: the JSON.
        paths: whether records may name files of this machine (pictures of references, recordings). Who takes
            records from strangers says False.

    Raises:
        PromptError: the type is unknown or a field is missing or wrong.
    """
    from promptseg.masks.rle import RLE

    try:
        kind, positive = record["type"], record.get("positive", True)
        if kind == "point":
            return Point(record["x"], record["y"], positive)
        if kind == "box":
            return Box(*record["box"], positive=positive)
        if kind == "polygon":
            return Polygon(record["points"], positive)
        if kind == "scribble":
            return Scribble(record["points"], record.get("width", 5.0), positive)
        if kind == "mask":
            return Mask(RLE.from_coco(record["segmentation"]).dense(), positive)
        if kind == "circle":
            return Circle(record["x"], record["y"], record["radius"], positive)
        if kind == "text":
            return Text(record["phrase"])
        if kind == "audio" and paths:
            return Audio(record["file"])
        if kind == "reference" and (paths or not isinstance(record["image"], str)):
            region = prompt_from_json(record["mask"], paths=False)
            return Reference(picture_from_json(record["image"]), region)  # type: ignore[arg-type]
    except (KeyError, TypeError, AttributeError, FormatError) as error:
        raise PromptError(
            f"This prompt record lacks a field or has a wrong one ({error}): {short(record)}."
        ) from error
    if kind in ("audio", "reference"):
        raise PromptError(f"Here a prompt may not name a file of this machine: {short(record)}.")
    raise PromptError(
        f"Unknown prompt type {short(kind)}: expected point, box, polygon, circle, scribble, mask, text, audio or "
        "reference."
    )


def group_objects(
    prompts: "Prompt | Sequence[Prompt] | Sequence[Sequence[Prompt]]",
) -> tuple[ObjectPrompts, ...]:
    """Sorts what a caller gave into objects.

    One prompt or a flat list of prompts speaks of one object; a list of lists speaks of several. A flat list that
    holds nothing but two or more positive boxes speaks of one object per box, as in the official batched API.

    Raises:
        PromptError: nothing was given, or single prompts and lists of prompts are mixed.
    """
    if isinstance(prompts, Prompt):
        return ((prompts,),)
    try:
        items: list[Any] = list(prompts)
    except TypeError:
        _check(prompts)
        raise
    if not items:
        raise PromptError("No prompt was given: give at least one point, box, mask, polygon or scribble.")
    lists = [isinstance(item, Sequence) and not isinstance(item, str) for item in items]
    if all(lists):
        objects = tuple(tuple(item) for item in items)
        for position, parts in enumerate(objects):
            if not parts:
                raise PromptError(f"Object {position} has no prompt.")
            for part in parts:
                _check(part)
        return objects
    if any(lists):
        raise PromptError(
            "Give either prompts of one object, or one list of prompts per object, not a mixture."
        )
    for item in items:
        _check(item)
    if len(items) > 1 and all(isinstance(item, Box) and item.positive for item in items):
        return tuple((item,) for item in items)
    return (tuple(items),)


def _check(item: Any) -> None:
    if not isinstance(item, Prompt):
        raise PromptError(
            "Expected Point, Box, Mask, Polygon, Circle, Scribble, Text, Audio or Reference, "
            f"got {type(item).__name__} ({short(item)})."
        )
