"""Writing SA-1B: a folder of files, tar shards as released, or Parquet; each file appears whole or not at all."""

import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from promptseg.engine.shards.entries import SA1BEntry, as_file
from promptseg.engine.shards.parquet import rows_of, write_parquet
from promptseg.errors import InputError, OutputError
from promptseg.files import atomic_write, write_bytes
from promptseg.formats.reading import decode_text, parse_json
from promptseg.formats.sa1b import check_sa1b

Container: TypeAlias = Literal["folder", "tar", "parquet"]
"""How SA-1B is kept: files, shards, or a table of masks."""

PER_SHARD = 10_000
"""Pictures of one shard, about as many as the released ones have."""

_SAFE = re.compile(r"[^\w.+=-]")


def write_sa1b_set(
    found: Iterable[SA1BEntry], output: Path, container: Container = "folder", *, per_shard: int = PER_SHARD
) -> int:
    """Writes pictures with their records as a data set.

    Args:
        found: the pictures; each is let go when it is written.
        output: the folder.
        container: files, tar shards `sa_000000.tar`, or Parquet files (records only).
        per_shard: pictures of one shard or Parquet file.

    Returns:
        How many were written.

    Raises:
        InputError: an unknown container, or two pictures of one name.
        FormatError: a record is malformed.
        OutputError: the folder holds something already, or cannot be written.
    """
    if container not in get_args(Container):
        raise InputError(f"Unknown container {container!r}: expected {', '.join(get_args(Container))}.")
    if per_shard < 1:
        raise InputError(f"A shard has at least 1 picture, got {per_shard}.")
    check_empty(output)
    stream = iter(found)
    if container == "folder":
        return sum(1 for entry in stream if _write_files(output, entry))
    count = 0
    ending = "tar" if container == "tar" else "parquet"
    for number, first in enumerate(stream):
        path = output / f"sa_{number:06d}.{ending}"
        part = chain([first], islice(stream, per_shard - 1))
        count += write_tar(path, part) if container == "tar" else write_parquet_set(path, part)
    return count


def check_empty(folder: Path) -> None:
    """Refuses a folder that holds something.

    Raises:
        OutputError: it does.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is there already and not empty. Choose another place with -o.")


def write_tar(path: Path, found: Iterable[SA1BEntry]) -> int:
    """Writes a shard: each picture, then its record.

    Raises:
        OutputError: it cannot be written.
    """
    count = 0
    with atomic_write(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in found:
            if entry.picture is not None:
                archive.addfile(*as_file(f"{entry.name}{entry.suffix}", entry.picture()))
            archive.addfile(*as_file(f"{entry.name}.json", entry.record))
            count += 1
    return count


def write_parquet_set(path: Path, found: Iterable[SA1BEntry]) -> int:
    """Writes records as a table of masks; returns how many pictures there are.

    Raises:
        FormatError: a record is malformed.
        UnavailableError: pyarrow is not installed.
        OutputError: it cannot be written.
    """
    count = 0

    def rows() -> Iterator[list[dict[str, Any]]]:
        nonlocal count
        for entry in found:
            record = parse_json(decode_text(entry.record, entry.where), entry.where)
            check_sa1b(record)
            count += 1
            yield rows_of(record)

    write_parquet(path, rows())
    return count


def _write_files(folder: Path, entry: SA1BEntry) -> bool:
    name = plain_name(entry.name)
    target = folder / f"{name}.json"
    if target.exists():
        raise InputError(f"Two pictures are called {name}. Give them numbers of their own: --renumber.")
    if entry.picture is not None:
        write_bytes(folder / f"{name}{entry.suffix}", entry.picture())
    write_bytes(target, entry.record)  # last: a record that is there has its picture
    return True


def plain_name(name: str) -> str:
    """Returns a name as one file of a folder can have it: no folders, no dots in front, not too long."""
    return _SAFE.sub("_", os.path.basename(name)).lstrip(".")[:200] or "_"


def renamed(entry: SA1BEntry, number: int) -> SA1BEntry:
    """Returns a picture with another number: its file is `sa_<number>`, its masks have ids of their own.

    Raises:
        FormatError: the record is malformed.
    """
    record = parse_json(decode_text(entry.record, entry.where), entry.where)
    check_sa1b(record)
    name = f"sa_{number}"
    record["image"] |= {"image_id": number, "file_name": f"{name}{entry.suffix}"}
    for place, mask in enumerate(record["annotations"]):
        mask["id"] = (number << 14) + place
    return SA1BEntry(name, entry.where, json.dumps(record).encode(), entry.picture, entry.suffix)
