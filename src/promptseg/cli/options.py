"""Options that several verbs share, and how prompts are written on the command line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import click

from promptseg.cli.command import Function, argument
from promptseg.errors import PromptError
from promptseg.prompts.types import Box, Circle, Mask, Point, Polygon, Prompt, Reference, Scribble
from promptseg.runtimes.options import EngineOptions

PATH = click.Path(path_type=Path)

output = click.option("-o", "--output", type=PATH, help="Folder for the results.", metavar="DIR")
image = argument("image", "The picture (JPEG, PNG, WebP, TIFF, BMP, GIF).")


def gathered(
    name: str, make: Callable[..., Any], **options: Callable[[Function], Function]
) -> Callable[[Function], Function]:
    """Gives a verb options whose values reach it as one.

    Args:
        name: the verb's parameter.
        make: makes its value of those of the options, by their names.
        options: the options, in the order of the help.
    """

    def decorate(verb: Any) -> Any:
        @wraps(verb)
        def called(**given: Any) -> None:
            value = make(**{option: given.pop(option) for option in options})
            verb(**given, **{name: value})

        decorated: Any = called
        for option in reversed(options.values()):
            decorated = option(decorated)
        return decorated

    return decorate


def fields_of(
    kind: type[Any],
    name: str,
    *,
    only: Sequence[str] = (),
    make: Callable[..., Any] | None = None,
    helps: Mapping[str, str] | None = None,
) -> Callable[[Function], Function]:
    """Gives a verb an option for each field of a dataclass; the verb gets an object of it.

    A field's metadata hold its `help`, perhaps how its default is `shown`, and the `metavar` of a path.

    Args:
        kind: the dataclass.
        name: the verb's parameter.
        only: the fields, by default all.
        make: makes the object of the values that were given, where the class itself does not.
        helps: other words for single fields.
    """

    def given(**values: Any) -> Any:
        return (make or kind)(**{field: value for field, value in values.items() if value is not None})

    chosen = [item for item in fields(kind) if item.name in (only or (item.name,))]
    return gathered(name, given, **{item.name: _option(item, helps or {}) for item in chosen})


def _option(item: Field[Any], helps: Mapping[str, str]) -> Any:
    text = helps.get(item.name, item.metadata["help"])
    metavar = item.metadata.get("metavar")
    numeric = (number for number in (int, float) if number in (item.type, *get_args(item.type)))
    shown = item.metadata.get("shown", item.default)
    return click.option(
        f"--{item.name.replace('_', '-')}",
        type=PATH if metavar else next(numeric, str),
        help=text if shown is None else f"{text}  [default: {shown}]",
        metavar=metavar,
    )


ENGINE = ("model", "weights", "runtime", "precision", "device", "threads")
"""What every verb with an engine lets one choose."""


def engine(*chosen: str, **helps: str) -> Callable[[Function], Function]:
    """Gives a verb options of the model and of what computes it, by default `ENGINE`; it gets one `EngineOptions`."""
    return fields_of(EngineOptions, "engine", only=chosen or ENGINE, helps=helps)


def numbers(text: str, what: str, count: int | None = None) -> tuple[float, ...]:
    """Reads `1,2,3`.

    Raises:
        PromptError: it is not a list of numbers, or not of that length.
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or (count is not None and len(values) != count):
        shape = {2: "x,y", 3: "x,y,radius", 4: "x0,y0,x1,y1"}.get(count or 0, "numbers")
        raise PromptError(f"{what} expects {shape} in pixels (like {_EXAMPLES[count or 2]}), got {text!r}.")
    return values


_EXAMPLES = {2: "320,210", 3: "320,210,40", 4: "40,60,400,380"}


def vertices(text: str, what: str) -> list[tuple[float, ...]]:
    """Reads `x,y x,y x,y`; semicolons may stand for the spaces."""
    return [numbers(part, what, 2) for part in text.replace(";", " ").split()]


def mask_from_file(path: str) -> Any:
    """Reads a mask picture: bright or opaque is inside."""
    import numpy as np

    from promptseg.images import Image

    grey = Image.open(path).pixels.max(axis=2)
    return (grey > 127).astype(np.uint8)


def reference(text: str) -> Reference:
    """Reads `other.jpg:mask.png`: a picture, and a mask picture of what is meant in it.

    Raises:
        PromptError: it is not of that form, or the mask is empty.
    """
    picture, _, mask = text.rpartition(":")
    if not picture or not mask:
        raise PromptError(f"--reference expects PICTURE:MASK (like other.jpg:mask.png), got {text!r}.")
    return Reference(picture, Mask(mask_from_file(mask)))


def names(text: str | None) -> list[str] | None:
    """Reads `cat, dog, sofa`; None stays None."""
    return None if text is None else [name for part in text.split(",") if (name := part.strip())]


def read_prompts(
    *,
    points: Sequence[str] = (),
    boxes: Sequence[str] = (),
    polygons: Sequence[str] = (),
    scribbles: Sequence[str] = (),
    circles: Sequence[str] = (),
    masks: Sequence[str] = (),
    width: float = 5.0,
    positive: bool = True,
) -> list[Prompt]:
    """Makes prompts from what stands behind --point, --box, --polygon, --scribble, --circle and --mask.

    The negative ones stand behind --not, --not-box and so on.

    Raises:
        PromptError: a prompt is malformed.
    """
    sign = "" if positive else "not-"
    point = "--point" if positive else "--not"
    return [
        *(Point(*numbers(text, point, 2), positive=positive) for text in points),
        *(Box(*numbers(text, f"--{sign}box", 4), positive=positive) for text in boxes),
        *(Polygon(tuple(vertices(text, f"--{sign}polygon")), positive) for text in polygons),  # type: ignore[arg-type]
        *(Scribble(tuple(vertices(text, f"--{sign}scribble")), width, positive) for text in scribbles),  # type: ignore[arg-type]
        *(Circle(*numbers(text, f"--{sign}circle", 3), positive=positive) for text in circles),
        *(Mask(mask_from_file(path), positive) for path in masks),
    ]
