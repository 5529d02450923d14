"""Options that several verbs share."""

from pathlib import Path

import click

from promptseg.cli.command import Function, argument
from promptseg.models.registry import DEFAULT_MODEL

PATH = click.Path(path_type=Path)

model = click.option("--model", default=DEFAULT_MODEL, help="Model name, see `promptseg models`.")
weights = click.option("--weights", type=PATH, help="A safetensors checkpoint of that model.", metavar="FILE")
runtime = click.option("--runtime", default="auto", help="auto, onnx, openvino or torch.")
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


def names(text: str | None) -> list[str] | None:
    """Reads `cat, dog, sofa`; None stays None."""
    return None if text is None else [name for part in text.split(",") if (name := part.strip())]
