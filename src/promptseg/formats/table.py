"""The one table of label formats: the command line, the server and, through its OpenAPI document, the studio read it.

A new format is a file of its own in this folder, and one row of `FORMATS`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from promptseg.errors import InputError
from promptseg.files import write_bytes
from promptseg.formats import coco, labelme, png, sa1b, svg, yolo
from promptseg.formats.reading import Extent, read_text
from promptseg.masks.segments import Segments

Writer: TypeAlias = Callable[[Segments, str, Path, Any], list[Path]]
"""(segments, stem, directory, image) to the files written; `image` None means the one the segments hold."""

JSON, PNG, ZIP = "application/json", "image/png", "application/zip"


def _as_it_is(record: Any, file_name: str | None, name: str) -> Any:
    return record


@dataclass(frozen=True, slots=True)
class LabelReader:
    """How a file of one format becomes the masks of one picture.

    Attributes:
        extent: says of which size the picture is and how much there is to paint, before anything is painted.
        read: makes the masks.
        select: (record, file name, name of the picture) to what the record says of that one picture.
        plain: whether files are plain text, which knows no size: the record is then {"text", "imageHeight",
            "imageWidth"}, and perhaps "names".
    """

    extent: Callable[[Any], Extent]
    read: Callable[[Any], Segments]
    select: Callable[[Any, str | None, str], Any] = _as_it_is
    plain: bool = False


@dataclass(frozen=True, slots=True)
class LabelFormat:
    """One row of the table.

    Attributes:
        help: what it holds, in a few words.
        media: type of what the server sends: the only file, or a ZIP archive.
        write: writes the masks of one picture.
        needs_picture: whether the picture's pixels are in it.
        batch_only: whether the command line writes it for whole folders alone (`promptseg everything`).
        reader: how it is read, where the server takes it as an import.
    """

    help: str
    media: str
    write: Writer
    needs_picture: bool = False
    batch_only: bool = False
    reader: LabelReader | None = None


def _one_file(ending: str, write: Callable[[Path, Segments, str, Any], object]) -> Writer:
    """Makes a writer of `write`, which gets the file's path, the masks, the picture's name and the picture."""

    def writer(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
        name = getattr(image, "name", None)
        path = directory / f"{stem}{ending}"
        write(path, segments, name if isinstance(name, str) and name else stem, image)
        return [path]

    return writer


def _a_file_each(ending: str, write: Callable[[Path, Segments, int, Any], object]) -> Writer:
    """Makes a writer of `write`, which writes one mask, given by its place."""

    def writer(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
        paths = [directory / f"{stem}_{ending}_{index:03d}.png" for index in range(len(segments))]
        for index, path in enumerate(paths):
            write(path, segments, index, image)
        return paths

    return writer


def _yolo(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
    """Class numbers are shared by all files of a folder: `classes.txt` is read, and new labels are added."""
    path, classes = directory / f"{stem}.txt", directory / "classes.txt"
    known = read_text(classes).splitlines() if classes.exists() else []
    names = yolo.write_yolo(path, segments, known)
    if names != known:
        write_bytes(classes, "".join(f"{name}\n" for name in names).encode())
    return [path, classes] if names else [path]


FORMATS: dict[str, LabelFormat] = {
    "coco": LabelFormat(
        "COCO instances",
        JSON,
        _one_file("_coco.json", lambda path, segments, name, _: coco.write_coco(path, {name: segments})),
        reader=LabelReader(coco.coco_extent, Segments.from_coco, coco.one_picture),
    ),
    "labelme": LabelFormat(
        "labelme's polygons",
        JSON,
        _one_file(".json", lambda path, segments, name, _: labelme.write_labelme(path, segments, name)),
        reader=LabelReader(labelme.labelme_extent, labelme.segments_from_labelme),
    ),
    "sa1b": LabelFormat(
        "SA-1B, one file per picture",
        JSON,
        _one_file(".json", lambda path, segments, name, _: sa1b.write_sa1b(path, segments, name)),
        batch_only=True,
        reader=LabelReader(sa1b.sa1b_extent, lambda record: sa1b.picture_from_sa1b(record).segments),
    ),
    "records": LabelFormat(
        "SAM's own JSON",
        JSON,
        _one_file(
            "_records.json",
            lambda path, segments, name, image: write_bytes(path, json.dumps(segments.to_records()).encode()),
        ),
    ),
    "svg": LabelFormat(
        "outlines",
        "image/svg+xml",
        _one_file(".svg", lambda path, segments, name, image: svg.write_svg(path, segments)),
    ),
    "overlay": LabelFormat(
        "the picture with its masks",
        PNG,
        _one_file("_overlay.png", lambda path, segments, _, image: png.write_picture(path, segments.draw(image))),
        needs_picture=True,
    ),
    "index": LabelFormat(
        "a map of numbers",
        PNG,
        _one_file("_index.png", lambda path, segments, name, image: png.write_index(path, segments)),
    ),
    "png": LabelFormat(
        "a mask each",
        ZIP,
        _a_file_each("mask", lambda path, segments, index, _: png.write_mask(path, segments.masks[index])),
    ),
    "cutout": LabelFormat(
        "an object each, transparent around it", ZIP, _a_file_each("cutout", png.write_cutout), needs_picture=True
    ),
    "yolo": LabelFormat(
        "YOLO's polygons", ZIP, _yolo, reader=LabelReader(yolo.yolo_extent, yolo.segments_from_yolo, plain=True)
    ),
}
"""Every format by name, the most used first."""


def format_names(*, batch: bool = False) -> list[str]:
    """Returns the formats that the command line writes of one picture, with `batch` also those for whole folders."""
    single = [name for name, form in FORMATS.items() if not form.batch_only]
    return [*single, *(name for name in FORMATS if batch and name not in single)]


def write(segments: Segments, stem: str, directory: Path, formats: Sequence[str], image: Any = None) -> list[Path]:
    """Writes the segments in each of the named formats.

    Args:
        segments: the masks of one picture.
        stem: beginning of the file names.
        directory: where the files go; it is made when it does not exist.
        formats: names from `FORMATS`.
        image: the picture, for formats that show it; by default the one the segments hold.

    Returns:
        The files written.

    Raises:
        InputError: a format is unknown, or needs a picture and there is none.
        OutputError: a file cannot be written.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise InputError(f"Unknown format {unknown[0]!r}: expected one of {', '.join(FORMATS)}.")
    return [path for name in formats for path in FORMATS[name].write(segments, stem, Path(directory), image)]
