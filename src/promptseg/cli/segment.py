"""`promptseg segment`: one picture, prompts, masks."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptseg.cli import options
from promptseg.cli.command import Command
from promptseg.cli.formats import check_place, formats, put, writing
from promptseg.cli.prompts import asked, understood
from promptseg.cli.streams import open_picture, picture_name
from promptseg.errors import InputError
from promptseg.formats.options import WriteOptions
from promptseg.prompts.request import Request
from promptseg.runtimes.options import EngineOptions

if TYPE_CHECKING:
    from promptseg.images.bands import ReadingOptions


@click.command(cls=Command)
@options.image
@asked
@options.speech
@click.option("--vocabulary", help="Classes for the labels of SEEM models; default: the 133 of COCO.", metavar="NAMES")
@click.option("--granularity", default="auto", help="auto, part, object, whole, or all three.")
@options.reading
@options.output
@formats("png", "overlay")
@writing
@options.engine(*options.ENGINE, "cache")
def segment(
    image: str,
    request: Request,
    speech_model: str | None,
    language: str | None,
    vocabulary: str | None,
    granularity: str,
    reading: "ReadingOptions",
    output: Path | None,
    formats: list[str],
    writing: WriteOptions,
    overwrite: bool,
    engine: EngineOptions,
) -> None:
    """Segments the objects that the prompts show.

    Coordinates are pixels of the picture, x to the right and y down from the top-left corner. Without -o the masks go
    to the folder "out"; `--format coco` without -o prints JSON, and -o - writes the one file of a format to standard
    output.
    """
    from promptseg.formats.coco import coco_record
    from promptseg.segment.places.predictor import check_granularity

    check_granularity(granularity)
    from promptseg.models.registry import get_card
    from promptseg.segment.segmenter import Segmenter

    picture = open_picture(image, reading)
    printed = output is None and formats == ["coco"]
    if not printed:
        check_place(image, output or Path("out"), formats, overwrite=overwrite)
    abilities = get_card(engine.model).abilities
    if vocabulary is not None and "classes" not in abilities:
        raise InputError(
            f"--vocabulary gives names to the masks of SEEM models, not to those of {engine.model}. "
            "Name masks with: promptseg label"
        )
    # Mistakes are found before a large model is loaded.
    request.check(picture.size, semantic="graphs" not in abilities)
    request = understood(request, speech_model, language)
    free = (engine.cache, engine.runtime, engine.device) == (None, "auto", "cpu")
    if "graphs" in abilities and free and engine.precision in ("auto", "float32"):
        # For one picture: it starts sooner than OpenVINO, which computes faster.
        engine = replace(engine, runtime="onnx")
    segmenter = Segmenter.of(engine)
    named: dict[str, Any] = {} if vocabulary is None else {"vocabulary": options.names(vocabulary)}
    segments = segmenter.segment(picture, request, granularity=granularity, **named)  # type: ignore[arg-type]
    if printed:
        print(json.dumps(coco_record({picture_name(image): segments}, writing.polygons)))
        return
    if not len(segments):
        print("Nothing that fits is in the picture.", file=sys.stderr)
    put(segments, image, output or Path("out"), formats, picture, writing=writing, overwrite=overwrite)
    for index, (score, area) in enumerate(zip(segments.scores, segments.areas, strict=True)):
        kind = segments.granularities[index] or segments.labels[index]
        print(f"mask {index}{f' ({kind})' if kind else ''}: score {score:.2f}, {int(area):,} pixels", file=sys.stderr)
