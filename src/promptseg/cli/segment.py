"""`promptseg segment`: one picture, prompts, masks."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from promptseg.cli import options
from promptseg.cli.command import Command, Function
from promptseg.cli.formats import formats
from promptseg.errors import InputError, PromptError
from promptseg.geometry import ResizeFrame
from promptseg.prompts.types import Audio, Box, Prompt, Text, group_objects, prompt_from_json
from promptseg.runtimes.options import EngineOptions

Texts = tuple[str, ...]


def _repeat(names: str, text: str, metavar: str) -> Callable[[Function], Function]:
    return click.option(*names.split(), multiple=True, help=text + " May be repeated.", metavar=metavar)


@click.command(cls=Command)
@options.image
@_repeat("--point", "A click on the object.", "X,Y")
@_repeat("--not not_point", "A click beside the object.", "X,Y")
@_repeat("--box", "A box around the object; several boxes: several objects.", "X0,Y0,X1,Y1")
@_repeat("--polygon", "A rough outline.", '"X,Y X,Y X,Y"')
@_repeat("--scribble", "A stroke over the object.", '"X,Y X,Y"')
@_repeat("--circle", "A circle over the object.", "X,Y,RADIUS")
@_repeat("--mask", "A rough mask picture (white is inside).", "FILE")
@_repeat("--not-box", "A box beside the object.", "X0,Y0,X1,Y1")
@_repeat("--not-polygon", "An outline beside the object.", '"X,Y X,Y X,Y"')
@_repeat("--not-scribble", "A stroke beside the object.", '"X,Y X,Y"')
@_repeat("--not-circle", "A circle beside the object.", "X,Y,RADIUS")
@_repeat("--not-mask", "A mask picture of what is beside the object.", "FILE")
@click.option("--scribble-width", default=5.0, help="Width of the strokes in pixels.")
@_repeat("--text", "What the object is called; everything that fits is found.", "PHRASE")
@_repeat("--reference", "Its like in another picture.", "PICTURE:MASK")
@_repeat("--audio", "A recording of what it is called.", "FILE")
@click.option(
    "--vocabulary",
    help="Classes for the labels of SEEM models; default: the 133 of COCO.",
    metavar="NAMES",
)
@click.option(
    "--prompts",
    type=options.PATH,
    help="JSON file: a list of prompts of one object, or a list of such lists.",
    metavar="FILE",
)
@click.option("--granularity", default="auto", help="auto, part, object, whole, or all three.")
@options.output
@formats("png", "overlay")
@options.engine(*options.ENGINE, "cache")
def segment(
    image: str,
    point: Texts,
    not_point: Texts,
    box: Texts,
    polygon: Texts,
    scribble: Texts,
    circle: Texts,
    mask: Texts,
    not_box: Texts,
    not_polygon: Texts,
    not_scribble: Texts,
    not_circle: Texts,
    not_mask: Texts,
    scribble_width: float,
    text: Texts,
    reference: Texts,
    audio: Texts,
    vocabulary: str | None,
    prompts: Path | None,
    granularity: str,
    output: Path | None,
    formats: list[str],
    engine: EngineOptions,
) -> None:
    """Segments the objects that the prompts show.

    Coordinates are pixels of the picture, x to the right and y down from the top-left corner. Without -o the masks go
    to the folder "out"; `--format coco` without -o prints JSON.
    """
    from promptseg.formats.table import write
    from promptseg.prompts.encode import encode_object
    from promptseg.prompts.request import says_what
    from promptseg.segment.places.predictor import check_granularity

    check_granularity(granularity)
    shown = options.read_prompts(
        points=point,
        boxes=box,
        polygons=polygon,
        scribbles=scribble,
        circles=circle,
        masks=mask,
        width=scribble_width,
    )
    said: list[Prompt] = [Text(phrase) for phrase in text]
    said += [options.reference(pair) for pair in reference]
    said += [Audio(file) for file in audio]
    request = _request(
        [*shown, *said],
        options.read_prompts(
            points=not_point,
            boxes=not_box,
            polygons=not_polygon,
            scribbles=not_scribble,
            circles=not_circle,
            masks=not_mask,
            width=scribble_width,
            positive=False,
        ),
        prompts,
    )
    from promptseg.images import Image
    from promptseg.models.registry import get_card
    from promptseg.segment.segmenter import Segmenter

    picture = Image.open(image)
    abilities = get_card(engine.model).abilities
    if vocabulary is not None and "classes" not in abilities:
        raise InputError(
            f"--vocabulary gives names to the masks of SEEM models, not to those of {engine.model}. "
            "Name masks with: promptseg label"
        )
    for parts in group_objects(request):  # finds mistakes before a large model is loaded
        if "graphs" not in abilities or says_what(parts):
            _check_places(parts, picture.size)
        else:
            encode_object(parts, ResizeFrame.fit(picture.size))
    free = (engine.cache, engine.runtime, engine.device) == (None, "auto", "cpu")
    if "graphs" in abilities and free and engine.precision != "bfloat16":
        # For one picture: it starts sooner than OpenVINO, which computes faster.
        engine = replace(engine, runtime="onnx")
    segmenter = Segmenter.of(engine)
    named: dict[str, Any] = {} if vocabulary is None else {"vocabulary": options.names(vocabulary)}
    segments = segmenter.segment(picture, request, granularity=granularity, **named)  # type: ignore[arg-type]
    if output is None and formats == ["coco"]:
        print(json.dumps(segments.to_coco(file_name=Path(image).name)))
        return
    if not len(segments):
        print("Nothing that fits is in the picture.", file=sys.stderr)
    paths = write(segments, Path(image).stem, output or Path("out"), formats, picture)
    for index, (score, area) in enumerate(zip(segments.scores, segments.areas, strict=True)):
        kind = segments.granularities[index] or segments.labels[index]
        print(
            f"mask {index}{f' ({kind})' if kind else ''}: score {score:.2f}, {int(area):,} pixels",
            file=sys.stderr,
        )
    for path in paths:
        print(path)


def _request(positive: list[Prompt], negative: list[Prompt], file: Path | None) -> list[list[Prompt]]:
    """Gathers the prompts into objects: several boxes alone are several objects, everything else is one."""
    if file is not None:
        if positive or negative:
            raise PromptError("Give prompts either in --prompts FILE or as options, not both.")
        return _read_file(file)
    if not positive:
        raise PromptError(
            "Show the object with at least one of --point, --box, --polygon, --scribble, --circle, --mask or "
            "--prompts, or say what it is with --text, --audio or --reference."
        )
    boxes = [prompt for prompt in positive if isinstance(prompt, Box)]
    if len(boxes) > 1 and len(boxes) == len(positive):
        return [[box, *negative] for box in boxes]
    if len(positive) > 1 and all(isinstance(prompt, Text) for prompt in positive):
        return [[phrase, *negative] for phrase in positive]
    return [[*positive, *negative]]


def _check_places(parts: tuple[Prompt, ...], size: tuple[int, int]) -> None:
    """Finds mistakes that need no model: places outside the picture, recordings that nobody writes down."""
    from promptseg.prompts.speech import to_text
    from promptseg.prompts.touched import touched_pixels

    touched_pixels(parts, size, size)
    for part in parts:
        if isinstance(part, Audio):
            to_text(part)


def _read_file(file: Path) -> list[list[Prompt]]:
    try:
        records = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror}.") from error
    except ValueError as error:
        raise PromptError(f"{file} is not JSON: {error}.") from error
    except RecursionError as error:
        raise PromptError(f"{file} is JSON nested too deeply.") from error
    if not isinstance(records, list) or not records:
        raise PromptError(f"{file} must hold a list of prompts, or a list of such lists, one per object.")
    objects = records if isinstance(records[0], list) else [records]
    if not all(isinstance(item, list) for item in objects):
        raise PromptError(f"{file} mixes prompts with lists of prompts; give one list per object.")
    return [[prompt_from_json(record) for record in item] for item in objects]
