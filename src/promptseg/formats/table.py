"""The one table of label formats: the command line, the server and, through its OpenAPI document, the studio read it.

A new format is a file of its own in this folder, and one row of `FORMATS`.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from promptseg.errors import InputError, OutputError
from promptseg.files import write_bytes
from promptseg.formats import classes, coco, labelme, png, sa1b, svg, yolo
from promptseg.formats.options import WriteOptions
from promptseg.formats.reading import Extent
from promptseg.masks.segments import Segments
from promptseg.stopping import check_stop

Writer: TypeAlias = Callable[..., list[Path]]
"""(segments, stem, directory, image) to the files written; `image` None means the one the segments hold. Where the row
says `choices`, it gets `WriteOptions` after them."""

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
        ending: what the names of its files have after the picture's stem, as a regular expression; by it older files of
            the same picture are found.
        choices: whether its writer takes `WriteOptions`.
    """

    help: str
    media: str
    write: Writer
    needs_picture: bool = False
    batch_only: bool = False
    reader: LabelReader | None = None
    ending: str = ""
    choices: bool = False


Part: TypeAlias = Callable[[Path, Segments, str, Any, WriteOptions], object]
"""Writes one file: its path, the masks, the picture's name, the picture, the options."""


def _one_file(help: str, media: str, ending: str, write: Part, **more: Any) -> LabelFormat:
    """Makes the row of a format with one file for each picture."""

    def writer(segments: Segments, stem: str, directory: Path, image: Any, options: WriteOptions) -> list[Path]:
        name = getattr(image, "name", None)
        path = directory / f"{stem}{ending}"
        write(path, segments, name if isinstance(name, str) and name else stem, image, options)
        return [path]

    return LabelFormat(help, media, writer, ending=re.escape(ending), choices=True, **more)


def _a_file_each(help: str, kind: str, write: Callable[[Path, Segments, int, Any], object], **more: Any) -> LabelFormat:
    """Makes the row of a format with a PNG file for each mask, which `write` writes, given by its place."""

    def writer(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
        paths = [directory / f"{stem}_{kind}_{index:03d}.png" for index in range(len(segments))]
        for index, path in enumerate(paths):
            check_stop()
            write(path, segments, index, image)
        return paths

    return LabelFormat(help, ZIP, writer, ending=rf"_{kind}_\d{{3,}}\.png", **more)


def _coco(path: Path, segments: Segments, name: str, _: Any, options: WriteOptions) -> None:
    """Category numbers are shared by the files of a folder, unless they are given."""
    with classes.alone_in(path.parent) if options.classes is None else contextlib.nullcontext():
        known = options.classes
        if known is None:
            known = classes.coco_categories(path.parent, _COCO)
        coco.write_coco(path, {name: segments}, options.polygons, known)


def _yolo(segments: Segments, stem: str, directory: Path, _: Any, options: WriteOptions) -> list[Path]:
    """Class numbers are shared by the files of a folder, unless they are given; new labels are added."""
    path = directory / f"{stem}.txt"
    with classes.alone_in(directory) if options.classes is None else contextlib.nullcontext():
        known = classes.read_yolo_classes(directory) if options.classes is None else options.classes
        names = yolo.write_yolo(path, segments, known, options.tolerance)
        return [path, *classes.write_yolo_classes(directory, names, stem)] if names else [path]


def _labelme(path: Path, segments: Segments, name: str, _: Any, options: WriteOptions) -> None:
    if options.source is not None:
        name = _seen_from(path.parent, options.source)
    labelme.write_labelme(path, segments, name, options.tolerance)


def _seen_from(folder: Path, file: Path) -> str:
    """Returns a file's path as seen from a folder, with forward slashes; on another drive the whole path."""
    whole = os.path.abspath(file)
    try:
        return Path(os.path.relpath(whole, os.path.realpath(folder))).as_posix()
    except ValueError:
        return Path(whole).as_posix()


_COCO = "_coco.json"

FORMATS: dict[str, LabelFormat] = {
    "coco": _one_file(
        "COCO instances", JSON, _COCO, _coco, reader=LabelReader(coco.coco_extent, Segments.from_coco, coco.one_picture)
    ),
    "labelme": _one_file(
        "labelme's polygons",
        JSON,
        ".json",
        _labelme,
        reader=LabelReader(labelme.labelme_extent, labelme.segments_from_labelme),
    ),
    "sa1b": _one_file(
        "SA-1B, one file per picture",
        JSON,
        ".json",
        lambda path, segments, name, image, options: sa1b.write_sa1b(path, segments, name),
        batch_only=True,
        reader=LabelReader(sa1b.sa1b_extent, lambda record: sa1b.picture_from_sa1b(record).segments),
    ),
    "records": _one_file(
        "SAM's own JSON",
        JSON,
        "_records.json",
        lambda path, segments, name, image, options: write_bytes(path, json.dumps(segments.to_records()).encode()),
    ),
    "svg": _one_file(
        "outlines",
        "image/svg+xml",
        ".svg",
        lambda path, segments, name, image, options: svg.write_svg(path, segments, tolerance=options.tolerance),
    ),
    "overlay": _one_file(
        "the picture with its masks",
        PNG,
        "_overlay.png",
        lambda path, segments, name, image, options: png.write_picture(path, segments.draw(image)),
        needs_picture=True,
    ),
    "index": _one_file(
        "a map of numbers",
        PNG,
        "_index.png",
        lambda path, segments, name, image, options: png.write_index(path, segments),
    ),
    "png": _a_file_each(
        "a mask each",
        "mask",
        lambda path, segments, index, image: png.write_mask(path, segments.masks[index], segments.labels[index]),
    ),
    "cutout": _a_file_each("an object each, transparent around it", "cutout", png.write_cutout, needs_picture=True),
    "yolo": LabelFormat(
        "YOLO's polygons",
        ZIP,
        _yolo,
        ending=r"\.txt",
        choices=True,
        reader=LabelReader(yolo.yolo_extent, yolo.segments_from_yolo, plain=True),
    ),
}
"""Every format by name, the most used first."""


def format_names(*, batch: bool = False) -> list[str]:
    """Returns the formats that the command line writes of one picture, with `batch` also those for whole folders."""
    single = [name for name, form in FORMATS.items() if not form.batch_only]
    return [*single, *(name for name in FORMATS if batch and name not in single)]


def written_before(stem: str, directory: Path, formats: Sequence[str]) -> list[Path]:
    """Returns the files in these formats that a folder holds of a picture, by its stem."""
    endings = "|".join(FORMATS[name].ending for name in formats if FORMATS[name].ending)
    if not endings or not os.path.isdir(directory):  # which takes names that are too long, too
        return []
    mine = re.compile(re.escape(stem) + f"(?:{endings})")
    return sorted(path for path in directory.iterdir() if mine.fullmatch(path.name) and not _is_class_list(path, stem))


def _is_class_list(path: Path, stem: str) -> bool:
    """Returns whether what looks like the labels of a picture called `classes` is the folder's list of classes."""
    return path.name == classes.LIST and stem == path.stem and classes.has_list(path.parent)


def check_free(stem: str, directory: Path, formats: Sequence[str]) -> None:
    """Refuses to write over what is there: the one rule of all commands.

    Raises:
        OutputError: the folder holds files of a picture with this stem.
    """
    there = written_before(stem, directory, formats)
    if there:
        more = f" and {len(there) - 1} more are" if len(there) > 1 else " is"
        raise OutputError(
            f"{there[0]}{more} there already. Replace with --overwrite, or choose another folder with -o."
        )


def write(
    segments: Segments,
    stem: str,
    directory: Path,
    formats: Sequence[str],
    image: Any = None,
    options: WriteOptions | None = None,
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Writes the segments in each of the named formats.

    Args:
        segments: the masks of one picture.
        stem: beginning of the file names.
        directory: where the files go; it is made when it does not exist.
        formats: names from `FORMATS`.
        image: the picture, for formats that show it; by default the one the segments hold.
        options: what can be chosen of how masks are written.
        overwrite: whether files of the same picture in the same formats give way, also those that are not written
            anew because there are fewer masks.

    Returns:
        The files written.

    Raises:
        InputError: a format is unknown, or needs a picture and there is none.
        OutputError: a file is there already, or cannot be written.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise InputError(f"Unknown format {unknown[0]!r}: expected one of {', '.join(FORMATS)}.")
    folder, chosen = Path(directory), options or WriteOptions()
    if not overwrite:
        check_free(stem, folder, formats)
    before = written_before(stem, folder, formats)
    written: list[Path] = []
    for form in (FORMATS[name] for name in formats):
        written += form.write(segments, stem, folder, image, *((chosen,) if form.choices else ()))
    for path in set(before) - set(written):
        with contextlib.suppress(OSError):
            path.unlink()
    return written
