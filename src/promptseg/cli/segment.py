"""`promptseg segment`: one picture, prompts, masks."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from promptseg.cli import options
from promptseg.errors import InputError, PromptError
from promptseg.geometry import ResizeFrame
from promptseg.models.registry import DEFAULT_MODEL
from promptseg.prompts.types import Audio, Box, Prompt, Text, group_objects, prompt_from_json

DEFAULT_FORMATS = ["png", "overlay"]

Strings = list[str] | None


def _repeat(names: str, text: str, metavar: str) -> typer.models.OptionInfo:
    return typer.Option(*names.split(), help=text + " May be repeated.", metavar=metavar)


def segment(
    image: Annotated[str, typer.Argument(help="The picture (JPEG, PNG, WebP, TIFF, BMP, GIF).")],
    point: Annotated[Strings, _repeat("--point", "A click on the object.", "X,Y")] = None,
    not_point: Annotated[Strings, _repeat("--not", "A click beside the object.", "X,Y")] = None,
    box: Annotated[
        Strings, _repeat("--box", "A box around the object; several boxes: several objects.", "X0,Y0,X1,Y1")
    ] = None,
    polygon: Annotated[Strings, _repeat("--polygon", "A rough outline.", '"X,Y X,Y X,Y"')] = None,
    scribble: Annotated[Strings, _repeat("--scribble", "A stroke over the object.", '"X,Y X,Y"')] = None,
    circle: Annotated[Strings, _repeat("--circle", "A circle over the object.", "X,Y,RADIUS")] = None,
    mask: Annotated[Strings, _repeat("--mask", "A rough mask picture (white is inside).", "FILE")] = None,
    not_box: Annotated[Strings, _repeat("--not-box", "A box beside the object.", "X0,Y0,X1,Y1")] = None,
    not_polygon: Annotated[
        Strings, _repeat("--not-polygon", "An outline beside the object.", '"X,Y X,Y X,Y"')
    ] = None,
    not_scribble: Annotated[
        Strings, _repeat("--not-scribble", "A stroke beside the object.", '"X,Y X,Y"')
    ] = None,
    not_circle: Annotated[
        Strings, _repeat("--not-circle", "A circle beside the object.", "X,Y,RADIUS")
    ] = None,
    not_mask: Annotated[
        Strings, _repeat("--not-mask", "A mask picture of what is beside the object.", "FILE")
    ] = None,
    scribble_width: Annotated[float, typer.Option(help="Width of the strokes in pixels.")] = 5.0,
    text: Annotated[
        Strings, _repeat("--text", "What the object is called; everything that fits is found.", "PHRASE")
    ] = None,
    reference: Annotated[
        Strings,
        _repeat("--reference", "Its like in another picture.", "PICTURE:MASK"),
    ] = None,
    audio: Annotated[Strings, _repeat("--audio", "A recording of what it is called.", "FILE")] = None,
    vocabulary: Annotated[
        str | None,
        typer.Option(
            help="Classes for the labels of SEEM models; default: the 133 of COCO.",
            metavar="NAMES",
            show_default=False,
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="JSON file: a list of prompts of one object, or a list of such lists.", metavar="FILE"
        ),
    ] = None,
    granularity: Annotated[str, typer.Option(help="auto, part, object, whole, or all three.")] = "auto",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the results.", metavar="DIR")
    ] = None,
    format: Annotated[
        Strings, _repeat("-f --format", "png, overlay, cutout, coco, yolo, labelme or svg.", "FORMAT")
    ] = None,
    model: options.Model = DEFAULT_MODEL,
    weights: options.Weights = None,
    runtime: options.Runtime = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "cpu",
    threads: options.Threads = None,
    cache: options.Cache = None,
) -> None:
    """Segments the objects that the prompts show.

    Coordinates are pixels of the picture, x to the right and y down from the top-left corner. Without -o the masks go
    to the folder "out"; `--format coco` without -o prints JSON.
    """
    from promptseg.formats.writers import WRITERS
    from promptseg.prompts.encode import encode_object
    from promptseg.segment.meaning.answer import is_semantic
    from promptseg.segment.predictor import check_granularity

    formats = format or DEFAULT_FORMATS
    for name in formats:
        if name not in WRITERS:
            raise InputError(f"Unknown format {name!r}: expected one of {', '.join(WRITERS)}.")
    check_granularity(granularity)
    shown = options.read_prompts(
        points=point or (),
        boxes=box or (),
        polygons=polygon or (),
        scribbles=scribble or (),
        circles=circle or (),
        masks=mask or (),
        width=scribble_width,
    )
    said: list[Prompt] = [Text(phrase) for phrase in text or ()]
    said += [options.reference(pair) for pair in reference or ()]
    said += [Audio(file) for file in audio or ()]
    request = _request(
        [*shown, *said],
        options.read_prompts(
            points=not_point or (),
            boxes=not_box or (),
            polygons=not_polygon or (),
            scribbles=not_scribble or (),
            circles=not_circle or (),
            masks=not_mask or (),
            width=scribble_width,
            positive=False,
        ),
        prompts,
    )
    from promptseg.images import Image
    from promptseg.models.registry import get_card
    from promptseg.segment.segmenter import Segmenter

    picture = Image.open(image)
    semantic = get_card(model).semantic
    if vocabulary is not None and not semantic:
        raise InputError(
            f"--vocabulary gives names to the masks of SEEM models, not to those of {model}. "
            "Name masks with: promptseg label"
        )
    for parts in group_objects(request):  # finds mistakes before a large model is loaded
        if semantic or is_semantic(parts):
            _check_places(parts, picture.size)
        else:
            encode_object(parts, ResizeFrame.fit(picture.size))
    segmenter = Segmenter(
        model,
        weights=weights,
        runtime=runtime,
        precision=precision,
        device=device,
        threads=threads,
        cache=cache,
    )
    named: dict[str, Any] = {} if vocabulary is None else {"vocabulary": options.names(vocabulary)}
    segments = segmenter.segment(picture, request, granularity=granularity, **named)  # type: ignore[arg-type]
    if output is None and formats == ["coco"]:
        print(json.dumps(segments.to_coco(file_name=Path(image).name)))
        return
    if not len(segments):
        print("Nothing that fits is in the picture.", file=sys.stderr)
    folder = output or Path("out")
    paths = [path for name in formats for path in WRITERS[name](segments, Path(image).stem, folder, picture)]
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
