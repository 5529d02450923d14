"""The table of output formats: name to function, for the command line and the server."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from promptseg.errors import InputError
from promptseg.files import write_bytes
from promptseg.formats import coco, labelme, png, svg, yolo
from promptseg.formats.reading import read_text
from promptseg.masks.segments import Segments

Writer: TypeAlias = Callable[[Segments, str, Path, Any], list[Path]]
"""(segments, stem, directory, image) to the files written; `image` None means the one the segments hold."""


def _image_name(stem: str, image: Any) -> str:
    name = getattr(image, "name", None)
    return name if isinstance(name, str) and name else stem


def _masks(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
    paths = [directory / f"{stem}_mask_{index:03d}.png" for index in range(len(segments))]
    for path, mask in zip(paths, segments.masks, strict=True):
        png.write_mask(path, mask)
    return paths


def _index(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
    path = directory / f"{stem}_index.png"
    png.write_index(path, segments)
    return [path]


def _cutouts(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
    paths = [directory / f"{stem}_cutout_{index:03d}.png" for index in range(len(segments))]
    for index, path in enumerate(paths):
        png.write_cutout(path, segments, index, image)
    return paths


def _overlay(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
    path = directory / f"{stem}_overlay.png"
    png.write_picture(path, segments.draw(image))
    return [path]


def _coco(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
    path = directory / f"{stem}_coco.json"
    coco.write_coco(path, {_image_name(stem, image): segments})
    return [path]


def _records(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
    """The records of SAM's automatic mask generator, masks as COCO run lengths."""
    path = directory / f"{stem}_records.json"
    write_bytes(path, json.dumps(segments.to_records("coco_rle")).encode())
    return [path]


def _yolo(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
    """Class numbers are shared by all files of a folder: `classes.txt` is read, and new labels are added."""
    path, classes = directory / f"{stem}.txt", directory / "classes.txt"
    known = read_text(classes).splitlines() if classes.exists() else []
    names = yolo.write_yolo(path, segments, known)
    if names != known:
        write_bytes(classes, "".join(f"{name}\n" for name in names).encode())
    return [path, classes] if names else [path]


def _labelme(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
    path = directory / f"{stem}.json"
    labelme.write_labelme(path, segments, _image_name(stem, image))
    return [path]


def _svg(segments: Segments, stem: str, directory: Path, image: Any) -> list[Path]:
    path = directory / f"{stem}.svg"
    svg.write_svg(path, segments)
    return [path]


WRITERS: dict[str, Writer] = {
    "png": _masks,
    "index": _index,
    "cutout": _cutouts,
    "overlay": _overlay,
    "coco": _coco,
    "records": _records,
    "yolo": _yolo,
    "labelme": _labelme,
    "svg": _svg,
}
"""Every output format by name."""


def write(
    segments: Segments, stem: str, directory: Path, formats: Sequence[str], image: Any = None
) -> list[Path]:
    """Writes the segments in each of the named formats.

    Args:
        segments: the masks of one picture.
        stem: beginning of the file names.
        directory: where the files go; it is made when it does not exist.
        formats: names from `WRITERS`.
        image: the picture, for formats that show it; by default the one the segments hold.

    Returns:
        The files written.

    Raises:
        InputError: a format is unknown, or needs a picture and there is none.
        OutputError: a file cannot be written.
    """
    unknown = [name for name in formats if name not in WRITERS]
    if unknown:
        raise InputError(f"Unknown format {unknown[0]!r}: expected one of {', '.join(WRITERS)}.")
    return [path for name in formats for path in WRITERS[name](segments, stem, Path(directory), image)]
