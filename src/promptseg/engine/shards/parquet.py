"""SA-1B as Parquet: a row per mask, for queries; pictures without masks have a row of their own. Needs pyarrow."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from promptseg.errors import FormatError, UnavailableError
from promptseg.files import atomic_write

_AT_ONCE = 20_000
"""Masks of one row group."""


def parquet_schema(extra: Mapping[str, str] | None = None) -> Any:
    """Returns the columns: those of SA-1B's records, what queries ask for, and perhaps others (names with types)."""
    pa = _pyarrow()
    floats = pa.list_(pa.float64())
    columns = {
        "image_id": pa.int64(),
        "file_name": pa.string(),
        "width": pa.int32(),
        "height": pa.int32(),
        "id": pa.int64(),
        "counts": pa.string(),
        "bbox": floats,
        "area": pa.int64(),
        "predicted_iou": pa.float64(),
        "stability_score": pa.float64(),
        "crop_box": floats,
        "point_coords": pa.list_(floats),
        "relative_size": pa.float64(),
        "center_x": pa.float64(),
        "center_y": pa.float64(),
    }
    kinds = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64()}
    columns |= {name: kinds[kind] for name, kind in (extra or {}).items()}
    return pa.schema(list(columns.items()))


def rows_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows of one record: one per mask, or one without a mask."""
    image = record["image"]
    same = {name: image[name] for name in ("image_id", "file_name", "width", "height")}
    if not record["annotations"]:
        return [same]
    pixels = image["width"] * image["height"]
    return [
        {
            **same,
            "id": entry["id"],
            "counts": entry["segmentation"]["counts"],
            **{name: entry[name] for name in ("bbox", "area", "predicted_iou", "stability_score", "crop_box")},
            "point_coords": entry["point_coords"],
            "relative_size": (entry["area"] / pixels) ** 0.5,
            "center_x": (entry["bbox"][0] + entry["bbox"][2] / 2) / image["width"],
            "center_y": (entry["bbox"][1] + entry["bbox"][3] / 2) / image["height"],
        }
        for entry in record["annotations"]
    ]


def write_parquet(
    path: Path, records: Iterable[Sequence[Mapping[str, Any]]], extra: Mapping[str, str] | None = None
) -> int:
    """Writes rows, a few at a time; the file appears whole or not at all.

    Args:
        path: the file.
        records: the rows of each picture (`rows_of`).
        extra: further columns, with the types "text", "whole" or "number".

    Returns:
        How many rows there are.

    Raises:
        UnavailableError: pyarrow is not installed.
        OutputError: the file cannot be written.
    """
    pa, schema = _pyarrow(), parquet_schema(extra)
    from pyarrow.parquet import ParquetWriter

    count, waiting = 0, list[Mapping[str, Any]]()
    with atomic_write(path) as file, ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(waiting, schema))
            waiting.clear()

        for rows in records:
            waiting += rows
            count += len(rows)
            if len(waiting) >= _AT_ONCE:
                flush()
        flush()
    return count


def parquet_records(file: Any, where: str) -> Iterator[tuple[str, bytes]]:
    """Yields (name, JSON text) of each record of a Parquet file, a row group at a time.

    Raises:
        FormatError: it is damaged, or has other columns.
        UnavailableError: pyarrow is not installed.
    """
    pa = _pyarrow()
    from pyarrow.parquet import ParquetFile

    known = [name for name in parquet_schema().names if name not in ("relative_size", "center_x", "center_y")]
    image: dict[str, Any] | None = None
    masks: list[dict[str, Any]] = []
    try:
        for batch in ParquetFile(file).iter_batches(2_000, columns=known):
            for row in batch.to_pylist():
                if image is not None and row["image_id"] != image["image_id"]:
                    yield _record(image, masks)
                    masks = []
                image = {name: row[name] for name in ("image_id", "width", "height", "file_name")}
                if row["id"] is not None:
                    masks.append(row)
    except (pa.ArrowException, KeyError) as error:
        raise FormatError(f"{where} is no Parquet file of SA-1B, or a damaged one: {error}.") from error
    if image is not None:
        yield _record(image, masks)


def _record(image: Mapping[str, Any], masks: Sequence[Mapping[str, Any]]) -> tuple[str, bytes]:
    size = [image["height"], image["width"]]
    names = ("bbox", "area", "predicted_iou", "stability_score", "crop_box", "point_coords")
    annotations = [
        {
            "id": mask["id"],
            "segmentation": {"size": size, "counts": mask["counts"]},
            **{name: mask[name] for name in names},
        }
        for mask in masks
    ]
    text = json.dumps({"image": dict(image), "annotations": annotations})
    return Path(str(image["file_name"])).stem or str(image["image_id"]), text.encode()


def _pyarrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise UnavailableError.extra("pyarrow, which reads and writes Parquet,", "engine") from error
