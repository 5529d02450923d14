"""`promptseg panoptic` and `promptseg label`: pictures cut into classes, masks named."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptseg.cli import options
from promptseg.cli.command import Command, Function, argument
from promptseg.cli.streams import STREAM, open_picture, picture_name, picture_stem, results
from promptseg.errors import FormatError, InputError
from promptseg.files import check_new
from promptseg.runtimes.options import EngineOptions

if TYPE_CHECKING:
    from promptseg.images.bands import ReadingOptions

_ENGINE = options.engine(
    "model",
    "weights",
    "precision",
    "device",
    "threads",
    model="Model name, see `promptseg models`; SEEM models answer in their own way.",
)
_VOCABULARY = click.option(
    "--vocabulary", help='The classes, such as "cat, dog, sofa"; default: the 133 of COCO.', metavar="NAMES"
)


def _short_side(default: int) -> Callable[[Function], Function]:
    return click.option(
        "--short-side", type=int, help="SEEM models: short side of the resized picture.", show_default=str(default)
    )


@click.command(cls=Command)
@argument("image", "The picture; - reads it from standard input.")
@click.option("-o", "--output", type=options.PATH, default="out", help="Folder for the results.", metavar="DIR")
@_VOCABULARY
@click.option("--score", default=0.8, help="SEEM models: segments need a class probability above this.")
@click.option("--overlap", default=0.8, help="SEEM models: segments need to keep this share of their mask.")
@_short_side(800)
@options.reading
@options.overwrite
@_ENGINE
def panoptic(
    image: str,
    output: Path,
    vocabulary: str | None,
    score: float,
    overlap: float,
    short_side: int | None,
    reading: "ReadingOptions",
    overwrite: bool,
    engine: EngineOptions,
) -> None:
    """Cuts a picture into things and stuff: COCO panoptic PNG and JSON, and an overlay."""
    from promptseg.formats.panoptic import write_panoptic
    from promptseg.formats.png import write_picture
    from promptseg.segment.segmenter import Segmenter

    picture = open_picture(image, reading)
    stem, name = picture_stem(image), picture_name(image)

    def named(folder: Path) -> list[Path]:
        record = folder / f"{stem}_panoptic.json"
        return [record, record.with_suffix("") / f"{stem}.png", folder / f"{stem}_overlay.png"]

    if str(output) != STREAM:
        for path in named(output):
            check_new(path, overwrite=overwrite, source=image)
    segmenter: Any = Segmenter.of(engine)
    names = options.names(vocabulary)
    if "classes" in segmenter.abilities:
        embedded = segmenter.embed(picture, scale="classes", short_side=short_side)
        found = segmenter.panoptic(embedded, names, score=score, overlap=overlap)
    else:
        found = segmenter.panoptic(picture, names)

    def write(folder: Path) -> list[Path]:
        record, _, overlay = files = named(folder)
        write_panoptic(record, {name: found})
        write_picture(overlay, found.draw(picture))
        return files

    results(output, write)


@click.command(cls=Command)
@argument(
    "masks",
    "Masks: COCO, labelme or YOLO (.txt), or records as `everything` writes them; - is standard input.",
    type=options.PATH,
)
@click.option("--image", required=True, help="Their picture.", metavar="PICTURE")
@click.option(
    "-o", "--output", type=options.PATH, help="File for the result; default: standard output.", metavar="FILE"
)
@_VOCABULARY
@_short_side(512)
@options.reading
@options.overwrite_file
@_ENGINE
def label(
    masks: Path,
    image: str,
    output: Path | None,
    vocabulary: str | None,
    short_side: int | None,
    reading: "ReadingOptions",
    overwrite: bool,
    engine: EngineOptions,
) -> None:
    """Names masks of any origin. Records come back with a field "label", all others as COCO JSON with categories."""
    from promptseg.files import write_bytes
    from promptseg.segment.segmenter import Segmenter

    picture = open_picture(image, reading)
    if output is not None and str(output) != STREAM:
        check_new(output, overwrite=overwrite)
    content, segments = _read(masks, image, picture)
    records = _records(content)
    if segments.size != picture.size:
        raise InputError(
            f"The masks of {masks} are of a picture of {tuple(segments.size)}, {image} has {tuple(picture.size)}."
        )
    segmenter: Any = Segmenter.of(engine)
    embedded = segmenter.embed(picture, **({"short_side": short_side} if "classes" in segmenter.abilities else {}))
    named = segmenter.label(embedded, segments, options.names(vocabulary))
    if records is None:
        content = named.to_coco(file_name=picture_name(image))
    else:
        for record, name in zip(records, named.labels, strict=True):
            record["label"] = name
    text = json.dumps(content, ensure_ascii=False)
    if output is None or str(output) == STREAM:
        print(text)
    else:
        write_bytes(output, text.encode("utf-8", "replace"))
        print(output)


def _read(masks: Path, image: str, picture: Any) -> tuple[Any, Any]:
    """Returns what a label file holds, and its masks; other formats than COCO and records come back as COCO."""
    from promptseg.formats.labelme import segments_from_labelme
    from promptseg.formats.reading import parse_json, read_text
    from promptseg.formats.yolo import read_yolo

    if masks.suffix.lower() == ".txt":
        return None, read_yolo(masks, picture.size)
    text = sys.stdin.read().removeprefix("\ufeff") if str(masks) == STREAM else read_text(masks)
    content = parse_json(text, str(masks))
    if isinstance(content, Mapping) and "shapes" in content:
        return None, segments_from_labelme(content)
    records = _records(content)
    return content, (_from_coco(content, picture_name(image)) if records is None else _from_records(records, picture))


def _records(content: Any) -> list[dict[str, Any]] | None:
    """Returns the records of a plain list or of an SA-1B file; None for COCO."""
    if isinstance(content, Mapping) and "image" in content and "images" not in content:
        content = content.get("annotations")
    if not isinstance(content, list):
        return None
    if not all(isinstance(record, dict) and "segmentation" in record for record in content):
        raise FormatError('Records need a field "segmentation" each.')
    return content


def _from_records(records: list[dict[str, Any]], picture: Any) -> Any:
    from promptseg.masks.records import mask_from_coco
    from promptseg.masks.segments import Segments

    masks = tuple(mask_from_coco(record["segmentation"], picture.size) for record in records)
    return Segments(size=picture.size, masks=masks)


def _from_coco(content: Any, name: str) -> Any:
    from promptseg.masks.segments import Segments

    found = Segments.all_from_coco(content)
    chosen = [segments for file, segments in found.values() if file == name]
    if not chosen and len(found) == 1:
        chosen = [segments for _, segments in found.values()]
    if len(chosen) != 1:
        raise InputError(
            f"The file speaks of {len(found)} pictures, {len(chosen)} of them called {name}; expected one."
        )
    return chosen[0]
