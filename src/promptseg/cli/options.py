"""Options that several verbs share, and how prompts are written on the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from promptseg.cli.command import Function, argument
from promptseg.errors import PromptError
from promptseg.models.registry import DEFAULT_MODEL
from promptseg.prompts.types import Box, Circle, Mask, Point, Polygon, Prompt, Reference, Scribble
from promptseg.runtimes.table import spoken_runtimes

PATH = click.Path(path_type=Path)

model = click.option("--model", default=DEFAULT_MODEL, help="Model name, see `promptseg models`.")
weights = click.option("--weights", type=PATH, help="A safetensors checkpoint of that model.", metavar="FILE")
runtime = click.option("--runtime", default="auto", help=f"{spoken_runtimes()}.")
precision = click.option("--precision", default="auto", help="auto, float32 or bfloat16.")
device = click.option("--device", default="cpu", help="cpu, or with torch: cuda, mps.")
threads = click.option("--threads", type=int, help="Threads; default: one per processor.")
cache = click.option(
    "--cache",
    type=PATH,
    help="Folder that keeps embeddings, in float16, for pictures that come again (see `promptseg embed`).",
    metavar="DIR",
)
output = click.option("-o", "--output", type=PATH, help="Folder for the results.", metavar="DIR")
image = argument("image", "The picture (JPEG, PNG, WebP, TIFF, BMP, GIF).")


def engine(verb: Function) -> Function:
    """Gives a verb the options of the model and of what computes it: --model to --threads."""
    for option in (threads, device, precision, runtime, weights, model):  # the last stands first in the help
        verb = option(verb)
    return verb


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
