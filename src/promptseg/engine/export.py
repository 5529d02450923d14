"""What a project gives out: SA-1B, COCO, YOLO or Parquet. A folder appears whole, or not at all."""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from promptseg.engine.automatic import automatic_entries
from promptseg.engine.project import Project
from promptseg.engine.records import ProjectMask, ProjectPicture
from promptseg.engine.shards.entries import SA1BEntry
from promptseg.engine.shards.parquet import rows_of, write_parquet
from promptseg.engine.shards.writing import check_empty, write_sa1b_set
from promptseg.errors import InputError, OutputError
from promptseg.files import write_bytes
from promptseg.formats import write
from promptseg.formats.coco import coco_record
from promptseg.formats.options import WriteOptions
from promptseg.formats.sa1b import sa1b_record
from promptseg.masks.distance import interior_point
from promptseg.masks.segments import Segments
from promptseg.prompts.types import Point

ExportFormat: TypeAlias = Literal["sa1b", "coco", "yolo", "parquet"]

_EXTRA = {
    "person": "text",
    "judge": "text",
    "stage": "whole",
    "seconds": "number",
    "clicks": "whole",
    "version": "whole",
    "label": "text",
    "picture_sha256": "text",
}
"""What the Parquet file says of each mask beside SA-1B's fields."""


def export_project(
    project: Project,
    form: ExportFormat,
    output: str | os.PathLike[str],
    *,
    pictures: bool = False,
    automatic: bool = False,
    shards: bool = False,
) -> int:
    """Writes the accepted masks of a project as a data set.

    Args:
        project: the project.
        form: "sa1b", "coco", "yolo" or "parquet".
        output: a new folder.
        pictures: whether copies of the pictures go with it (not with Parquet).
        automatic: the automatic masks of stage 3 instead of those that people accepted, as SA-1B or Parquet.
        shards: SA-1B as tar shards.

    Returns:
        How many pictures were written.

    Raises:
        InputError: an unknown format, or one that does not go with the rest, or there is nothing to export.
        UnavailableError: Parquet without pyarrow.
        OutputError: the folder is there already and not empty, or cannot be written.
    """
    if form not in get_args(ExportFormat):
        raise InputError(f"Unknown format {form!r}: expected one of {', '.join(get_args(ExportFormat))}.")
    if automatic and form not in ("sa1b", "parquet"):
        raise InputError(f"Automatic masks are exported as sa1b or parquet, not as {form}.")
    if (shards and form != "sa1b") or (pictures and form == "parquet"):
        raise InputError("Shards are of SA-1B, and Parquet holds no pictures: leave the option out.")
    target = Path(output)
    check_empty(target)
    part = target.with_name(f".{target.name[:40]}.{os.urandom(4).hex()}.part")
    try:
        count = _write(project, form, part, pictures, automatic, shards)
        if not count:
            raise InputError(f"{project.folder} has no {'automatic' if automatic else 'accepted'} mask to export yet.")
        if target.exists():
            target.rmdir()
        os.replace(part, target)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"Cannot write {target}: {error.strerror or error}. Choose another place with -o.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return count


def _write(project: Project, form: str, folder: Path, pictures: bool, automatic: bool, shards: bool) -> int:
    if form == "sa1b":
        found = _automatic(project, pictures) if automatic else _records(project, pictures)
        return write_sa1b_set(found, folder, "tar" if shards else "folder")
    if form == "parquet":
        return _parquet(project, folder, automatic)
    return _coco(project, folder, pictures) if form == "coco" else _yolo(project, folder, pictures)


def labelled(project: Project) -> Iterator[tuple[ProjectPicture, list[ProjectMask]]]:
    """Yields the pictures with accepted masks, and these."""
    for picture in project.pictures.each(labelled=True):
        masks = project.work.of(picture.id, "accepted", kept=True)
        if masks:
            yield picture, masks


def segments_of(masks: list[ProjectMask]) -> Segments:
    """Returns the masks of one picture as SA-1B needs them: those that people drew have a stability of 1."""
    points = [mask.points or (interior_point(mask.mask),) for mask in masks]
    return Segments(
        masks[0].mask.size,
        tuple(mask.mask for mask in masks),
        scores=np.array([1.0 if mask.score is None else mask.score for mask in masks], np.float32),
        labels=tuple(mask.label for mask in masks),
        prompts=tuple(tuple(Point(x, y) for x, y in each) for each in points),
        stability_scores=np.array([1.0 if mask.stability is None else mask.stability for mask in masks], np.float32),
    )


def _records(project: Project, pictures: bool) -> Iterator[SA1BEntry]:
    for picture, masks in labelled(project):
        record = sa1b_record(segments_of(masks), _file_name(picture), picture.id)
        yield _entry(project, picture, json.dumps(record).encode(), pictures)


def _automatic(project: Project, pictures: bool) -> Iterator[SA1BEntry]:
    for entry in automatic_entries(project):
        picture = project.pictures.get(int(entry.name.removeprefix("sa_")))
        record = json.loads(entry.record)
        record["image"]["file_name"] = _file_name(picture)
        yield _entry(project, picture, json.dumps(record).encode(), pictures)


def _file_name(picture: ProjectPicture) -> str:
    return f"sa_{picture.id}{Path(picture.name).suffix.lower()}"


def _entry(project: Project, picture: ProjectPicture, record: bytes, pictures: bool) -> SA1BEntry:
    def content() -> bytes:
        project.pictures.check_content(picture)
        return Path(picture.path).read_bytes()

    name = _file_name(picture)
    return SA1BEntry(Path(name).stem, picture.name, record, content if pictures else None, Path(name).suffix)


def _parquet(project: Project, folder: Path, automatic: bool) -> int:
    count = 0

    def rows() -> Iterator[list[dict[str, Any]]]:
        nonlocal count
        if automatic:
            for entry in automatic_entries(project):
                count += 1
                yield rows_of(json.loads(entry.record))
            return
        for picture, masks in labelled(project):
            count += 1
            found = rows_of(sa1b_record(segments_of(masks), picture.name, picture.id))
            yield [{**row, **_facts(picture, mask)} for row, mask in zip(found, masks, strict=True)]

    write_parquet(folder / "masks.parquet", rows(), None if automatic else _EXTRA)
    return count


def _facts(picture: ProjectPicture, mask: ProjectMask) -> dict[str, Any]:
    names = [name for name in _EXTRA if name != "picture_sha256"]
    return {**{name: getattr(mask, name) for name in names}, "picture_sha256": picture.sha256}


def _coco(project: Project, folder: Path, pictures: bool) -> int:
    results: dict[str, Segments] = {}
    for picture, masks in labelled(project):
        results[picture.name] = segments_of(masks)
        _copy(project, picture, folder / "images" / picture.name, pictures)
    if results:
        record = json.dumps(coco_record(results), ensure_ascii=False)
        write_bytes(folder / "instances.json", record.encode("utf-8", "replace"))
    return len(results)


def _yolo(project: Project, folder: Path, pictures: bool) -> int:
    known = list(dict.fromkeys(mask.label or "object" for _, masks in labelled(project) for mask in masks))
    count, list_ = 0, io.StringIO()
    table = csv.writer(list_, lineterminator="\n")
    table.writerow(["file", "picture"])
    for picture, masks in labelled(project):
        segments = segments_of(masks)
        segments = segments.with_labels([label or "object" for label in segments.labels])
        stem = f"picture_{picture.id:07d}"
        write(segments, stem, folder / "labels", ["yolo"], options=WriteOptions(classes=known))
        _copy(project, picture, folder / "images" / f"{stem}{Path(picture.name).suffix.lower()}", pictures)
        table.writerow([stem, picture.name])
        count += 1
    if count:
        write_bytes(folder / "pictures.csv", list_.getvalue().encode("utf-8", "surrogateescape"))
        (folder / "labels" / "data.yaml").replace(folder / "data.yaml")
    return count


def _copy(project: Project, picture: ProjectPicture, target: Path, wanted: bool) -> None:
    if wanted:
        project.pictures.check_content(picture)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture.path, target)
