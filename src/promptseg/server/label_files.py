"""The work on a picture: objects as the studio has them, to label files and back."""

import io
import json
import os
import secrets
import tempfile
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from promptseg.errors import FormatError, InputError
from promptseg.formats.options import WriteOptions
from promptseg.formats.table import FORMATS, ZIP, write
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.prompts.types import Point
from promptseg.server.http_errors import too_large
from promptseg.server.schemas import ObjectBody, PointPrompt, Segmentation
from promptseg.server.settings import Limits
from promptseg.server.store import Picture
from promptseg.stopping import check_stop

MOST_EXTRA = 4096
"""Letters of JSON in `extra`."""


_LONGEST_STEM = 230
"""Bytes; file systems take 255 with the ending."""


def mask_of(segmentation: Segmentation, picture: Picture, what: str) -> RLE:
    """Reads a mask of a picture.

    Raises:
        FormatError: it is malformed or of another size.
    """
    height, width = segmentation.size
    if (height, width) != (picture.height, picture.width):
        raise FormatError(
            f"{what} has a mask of {width} x {height} pixels; the picture has {picture.width} x {picture.height}."
        )
    return RLE.from_coco(segmentation.model_dump())


def checked(objects: Sequence[ObjectBody], picture: Picture) -> list[dict[str, Any]]:
    """Returns objects as they are stored: masks checked, and as compressed run lengths.

    Raises:
        InputError: two have one id, `extra` is too long, or a mask is wrong.
    """
    seen: set[str] = set()
    records: list[dict[str, Any]] = []
    for item in objects:
        check_stop()
        what = f"The object {item.id!r}"
        if item.id in seen:
            raise InputError(f"{what} is there twice. Give every object an id of its own.")
        seen.add(item.id)
        if len(json.dumps(item.extra)) > MOST_EXTRA:
            raise InputError(f"{what} has more than {MOST_EXTRA} letters in extra.")
        record = item.model_dump()
        mask = mask_of(item.segmentation, picture, what)
        record["segmentation"], record["area"] = mask.to_coco(), mask.area
        records.append(record)
    return records


def to_segments(
    objects: Sequence[ObjectBody], picture: Picture, image: Image | None, colours: Mapping[str, str | None]
) -> Segments:
    """Returns objects as `Segments`.

    Args:
        objects: the objects.
        picture: their picture.
        image: its pixels, for formats that show them.
        colours: those of the classes, for objects without a colour.

    Raises:
        FormatError: a mask is wrong.
    """
    scores = [1.0 if item.score is None else item.score for item in objects]
    stabilities = [item.stability_score for item in objects]
    known = all(score is not None for score in stabilities)
    return Segments(
        (picture.height, picture.width),  # type: ignore[arg-type]  # becomes a Size
        tuple(mask_of(item.segmentation, picture, f"The object {item.id!r}") for item in objects),
        scores=np.array(scores, np.float32),
        labels=tuple(item.label or None for item in objects),
        colours=tuple(_colour(item.colour or colours.get(item.label or "")) for item in objects),
        prompts=tuple(_points(item) for item in objects),
        stability_scores=np.array(stabilities, np.float32) if known else None,
        image=None if image is None else image.pixels,
    )


def _colour(text: str | None) -> tuple[int, int, int] | None:
    """Reads "#rrggbb"."""
    return None if text is None else (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))


def _points(item: ObjectBody) -> tuple[Point, ...]:
    given = [prompt for prompt in item.prompts if isinstance(prompt, PointPrompt) and prompt.positive]
    return tuple(Point(prompt.x, prompt.y) for prompt in given)


def export(
    form: str, segments: Segments, picture: Picture, image: Image | None, options: WriteOptions
) -> tuple[bytes, str]:
    """Returns a label file, or a ZIP archive of several, and its name.

    Raises:
        InputError: the format cannot hold these masks.
    """
    stem = stem_of(picture)
    # Formats that draw need the picture; the others only its name.
    shown = image if image is not None else SimpleNamespace(name=picture.name or f"{stem}.png")
    with tempfile.TemporaryDirectory(prefix="promptseg-") as folder:
        paths = write(segments, stem, Path(folder), [form], shown, options)
        if FORMATS[form].media != ZIP:
            return paths[0].read_bytes(), paths[0].name
        return _zipped(paths), f"{stem}_{form}.zip"


def _zipped(paths: Sequence[Path]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            check_stop()
            # A fixed date: the same objects give the same bytes.
            archive.writestr(zipfile.ZipInfo(path.name, (2020, 1, 1, 0, 0, 0)), path.read_bytes())
    return file.getvalue()


def stem_of(picture: Picture) -> str:
    """Returns what files about a picture begin with: its own name, so that label files are found beside it.

    Folders and control characters are left out, and of very long names the end.
    """
    name = picture.name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter for letter in os.path.splitext(name)[0] if unicodedata.category(letter) not in ("Cc", "Cs"))
    stem = kept.encode()[:_LONGEST_STEM].decode("utf-8", "ignore")
    return stem if stem.strip(". ") else picture.id[:16]


def marked_stem(picture: Picture) -> str:
    """Returns the same with a part of the picture's id, where another picture has its name."""
    return f"{stem_of(picture)}_{picture.id[:12]}"


def imported(form: str, record: Any, picture: Picture, file_name: str | None, limits: Limits) -> list[dict[str, Any]]:
    """Reads a label file as objects, with fresh ids.

    Raises:
        FormatError: it is malformed, or speaks of another picture.
        HttpError: 413, it holds too many masks.
    """
    reader = FORMATS[form].reader
    if reader is None:
        raise InputError(f"Files of the format {form!r} cannot be read.")
    if reader.plain:
        record = {"imageHeight": picture.height, "imageWidth": picture.width, **record}
    record = reader.select(record, file_name, picture.name)
    size, masks, parts = reader.extent(record)
    if size != (picture.height, picture.width):
        raise FormatError(
            f"The label file speaks of a picture of {size[1]} x {size[0]} pixels; this one has "
            f"{picture.width} x {picture.height}."
        )
    if masks > limits.max_masks or parts > 4 * limits.max_masks:
        raise too_large(f"The label file has {masks:,} masks of {parts:,} parts; the limit is {limits.max_masks:,}.")
    segments = reader.read(record)
    stabilities = segments.stability_scores
    made = objects_of(list(zip(segments.masks, segments.labels, strict=True)))
    for index, item in enumerate(made):
        item["score"] = float(segments.scores[index])
        item["stability_score"] = None if stabilities is None else float(stabilities[index])
        given = segments.prompts[index] or ()
        item["prompts"] = [PointPrompt(type="point", x=point.x, y=point.y).model_dump() for point in given]
    return made


def objects_of(masks: Sequence[tuple[RLE, str | None]]) -> list[dict[str, Any]]:
    """Returns masks with their labels as objects, with fresh ids."""
    return [
        ObjectBody(
            id=secrets.token_hex(8),
            segmentation=Segmentation.model_validate(mask.to_coco()),
            label=(label or "")[:200] or None,
            area=mask.area,
        ).model_dump()
        for mask, label in masks
    ]
