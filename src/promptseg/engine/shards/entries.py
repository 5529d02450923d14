"""Reading SA-1B picture by picture: a folder, tar shards or Parquet, here or at an address; nothing is unpacked.

What strangers made is not trusted: names in an archive never become paths, nothing but plain files is read, and sizes
have limits. A record and its picture stand beside each other in an archive, as in the released shards.
"""

import contextlib
import io
import os
import tarfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from promptseg.engine.shards.parquet import parquet_records
from promptseg.errors import FormatError, InputError, UnavailableError, shorten
from promptseg.formats.reading import decode_text, parse_json
from promptseg.formats.sa1b import SA1BPicture, picture_from_sa1b
from promptseg.images import PICTURE_SUFFIXES, ImageLimits

MOST_RECORD_BYTES = 64 * 2**20
"""Of one JSON file: 16,384 masks of the longest outlines stay below it."""

SHARDS = (".tar", ".tar.gz", ".tgz")
_ENDINGS = (*SHARDS, ".parquet", ".json")


@dataclass(frozen=True, slots=True, eq=False)
class SA1BEntry:
    """One picture of SA-1B.

    Attributes:
        name: of its files, without ending; it is one plain name, whatever an archive called it.
        where: what messages call it.
        record: the JSON text.
        picture: returns the picture's file; None where there is none beside the record.
        suffix: the ending of the picture's file.
    """

    name: str
    where: str
    record: bytes
    picture: Callable[[], bytes] | None = None
    suffix: str = ".jpg"

    def read(self) -> SA1BPicture:
        """Reads the record, and checks its shape, masks, areas and ids.

        Raises:
            FormatError: it is malformed.
        """
        try:
            return picture_from_sa1b(parse_json(decode_text(self.record, self.where), self.where))
        except FormatError as error:
            raise error if self.where in str(error) else FormatError(f"{self.where}: {error}") from error


def entries(source: str | os.PathLike[str]) -> Iterator[SA1BEntry]:
    """Yields the pictures of SA-1B, one after the other; memory does not grow with them.

    Args:
        source: a folder of `sa_*.json` (also in folders below), of tar shards or of Parquet files, one such file, or an
            address that fsspec reads, such as s3://bucket/sa1b.

    Raises:
        InputError: there is no such place, or nothing of the kind in it.
        FormatError: a file is damaged, or larger than any record or picture.
        UnavailableError: an address without fsspec, or Parquet without pyarrow.
    """
    place = os.fspath(source)
    files = _remote(place) if "://" in place else _local(Path(place))
    found = False
    for entry in files:
        found = True
        yield entry
    if not found:
        raise InputError(f"There is no SA-1B record in {place}: expected *.json, *.tar or *.parquet.")


def _local(place: Path) -> Iterator[SA1BEntry]:
    if not place.exists():
        raise InputError(f"There is no file or folder {place}. Check the path.")
    for path in _walk(place) if place.is_dir() else [place]:
        yield from _of_file(path.name, str(path), lambda path=path: path.open("rb"), _beside(path))


def _walk(folder: Path) -> Iterator[Path]:
    """Yields files by name, folder after folder: the names of one folder are all that is kept."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {error.strerror or error}.") from error
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        elif path.name.endswith(_ENDINGS):
            yield path


def _beside(record: Path) -> Callable[[], bytes] | None:
    for suffix in sorted(PICTURE_SUFFIXES):
        picture = record.with_suffix(suffix)
        if record.suffix == ".json" and picture.is_file():
            return lambda: _limited(picture.open("rb"), str(picture), ImageLimits().max_bytes)
    return None


def _remote(address: str) -> Iterator[SA1BEntry]:
    try:
        import fsspec
    except ImportError as error:
        raise UnavailableError.extra("fsspec, which reads addresses,", "engine") from error
    try:
        files, root = fsspec.core.url_to_fs(address)
        names = sorted(name for name in files.find(root) if str(name).endswith(_ENDINGS))
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{address} cannot be read: {error}.") from error
    for name in names:
        picture = str(PurePosixPath(name).with_suffix(".jpg"))
        beside = _fetching(files, picture) if name.endswith(".json") and files.exists(picture) else None
        yield from _of_file(PurePosixPath(name).name, name, lambda name=name: files.open(name, "rb"), beside)


def _fetching(files: Any, picture: str) -> Callable[[], bytes]:
    return lambda: _limited(files.open(picture, "rb"), picture, ImageLimits().max_bytes)


def _of_file(
    name: str, where: str, opened: Callable[[], Any], beside: Callable[[], bytes] | None
) -> Iterator[SA1BEntry]:
    try:
        if name.endswith(SHARDS):
            yield from _of_tar(where, opened)
        elif name.endswith(".parquet"):
            with opened() as file:
                for stem, text in parquet_records(file, where):
                    yield SA1BEntry(stem, f"{where}: {stem}", text)
        else:
            yield SA1BEntry(Path(name).stem, where, _limited(opened(), where, MOST_RECORD_BYTES), beside)
    except OSError as error:
        raise FormatError(f"{where} cannot be read: {error}.") from error


def _of_tar(where: str, opened: Callable[[], Any]) -> Iterator[SA1BEntry]:
    """Yields the records of an archive that is read once, from its beginning to its end."""
    picture: tuple[str, str, bytes] | None = None  # the one that may belong to the next record
    record: tuple[str, bytes] | None = None  # the one whose picture may be next
    with opened() as raw, _archive(raw, where) as archive:
        for stem, suffix, content in _members(archive, where):
            if suffix == ".json":
                if record is not None:
                    yield _entry(where, record, None)
                record = (stem, content)
                if picture is not None and picture[0] == stem:
                    yield _entry(where, record, picture)
                    record = picture = None
            elif record is not None and record[0] == stem:
                yield _entry(where, record, (stem, suffix, content))
                record = None
            else:
                picture = (stem, suffix, content)
        if record is not None:
            yield _entry(where, record, None)


def _entry(where: str, record: tuple[str, bytes], picture: tuple[str, str, bytes] | None) -> SA1BEntry:
    stem, content = record
    if picture is None:
        return SA1BEntry(stem, f"{where}: {stem}", content)
    _, suffix, pixels = picture
    return SA1BEntry(stem, f"{where}: {stem}", content, lambda: pixels, suffix)


@contextlib.contextmanager
def _archive(raw: BinaryIO, where: str) -> Generator[tarfile.TarFile]:
    try:
        with tarfile.open(fileobj=raw, mode="r|*") as archive:
            yield archive
    except (tarfile.TarError, EOFError) as error:
        raise FormatError(f"{where} is no tar archive, or a damaged one: {error}.") from error


def _members(archive: tarfile.TarFile, where: str) -> Iterator[tuple[str, str, bytes]]:
    """Yields (stem, ending, content) of the plain files that are records or pictures; others are passed over."""
    kept: Any = archive
    for member in archive:
        kept.members = []  # or it would hold them all
        path = PurePosixPath(member.name.replace("\\", "/"))
        suffix = path.suffix.lower()
        if not member.isreg() or path.name.startswith(".") or (suffix != ".json" and suffix not in PICTURE_SUFFIXES):
            continue
        most = MOST_RECORD_BYTES if suffix == ".json" else ImageLimits().max_bytes
        if member.size > most:
            raise FormatError(f"{where}: {shorten(member.name)} has {member.size:,} bytes; the most is {most:,}.")
        file = archive.extractfile(member)
        content = b"" if file is None else file.read()
        if len(content) != member.size:
            raise FormatError(f"{where}: {shorten(member.name)} is cut off.")
        yield path.stem, suffix, content


def _limited(file: Any, where: str, most: int) -> bytes:
    with file:
        content = file.read(most + 1)
    if len(content) > most:
        raise FormatError(f"{where} has more than {most:,} bytes.")
    return content


def as_file(name: str, content: bytes) -> tuple[tarfile.TarInfo, io.BytesIO]:
    """Returns a member of an archive; the same content gives the same archive."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    return member, io.BytesIO(content)
