"""The manifest of a run: one line of JSON per finished picture, so that a stopped run goes on where it was.

Lines are only ever appended, each after its record was put in place whole. A process may be killed at any moment: a
last line that was cut off is removed, a line that makes no sense is skipped, and in both cases only that picture is
done again.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promptseg
from promptseg.batch.sources import is_output_of, name_outputs
from promptseg.errors import FormatError, InputError, OutputError, shorten
from promptseg.models.store import file_sha256

FILE_NAME = "manifest.jsonl"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one picture.

    Attributes:
        name: the picture.
        output: its record's path below the folder; empty when it failed.
        size: the record's size in bytes.
        masks: how many masks it holds.
        error: why there is no record; empty when there is one.
        picture: what the picture was (see `picture_mark`), where that is known.
    """

    name: str
    output: str = ""
    size: int = 0
    masks: int = 0
    error: str = ""
    picture: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns the line's content."""
        if self.error:
            return {"name": self.name, "error": self.error}
        line = {"name": self.name, "output": self.output, "bytes": self.size, "masks": self.masks}
        return {**line, "picture": self.picture} if self.picture else line

    @classmethod
    def from_json(cls, record: Any) -> "Entry | None":
        """Reads a line's content; None when it makes no sense."""
        match record:
            case {"name": str(name), "error": str(error)}:
                return cls(name, error=error)
            case {"name": str(name), "output": str(output), "bytes": int(size), "masks": int(masks)}:
                picture = record.get("picture")
                return cls(name, output, size, masks, picture=picture if isinstance(picture, str) else "")
            case _:
                return None


class Manifest:
    """The open manifest of a folder; a context manager. While it is open, no other run may use the folder.

    Args:
        folder: where the records go; it is made when it is missing.
        settings: what the records depend on. They are written down by the first run, and later runs must have the same.

    Attributes:
        entries: the latest entry of each picture.
        fresh: whether no run worked in the folder before.

    Raises:
        InputError: the folder holds records made with other settings, or another run is at work in it.
        FormatError: its manifest is not one.
        OutputError: it cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE_NAME
        self.entries: dict[str, Entry] = {}
        self.fresh = False
        self._file = -1
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._lock()
            self._read(json.loads(json.dumps(settings)))
        except OSError as error:
            self.close()
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"Cannot write {self.path}: {error.strerror}. Choose another place with -o.") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets other runs use the folder."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def is_done(self, name: str) -> bool:
        """Returns whether the record of a picture is in its place, whole."""
        entry = self.entries.get(name)
        if entry is None or entry.error:
            return False
        try:
            return (self.folder / entry.output).stat().st_size == entry.size
        except OSError:
            return False

    def is_stale(self, name: str, path: str) -> bool:
        """Returns whether a picture was replaced after its record was written."""
        entry = self.entries.get(name)
        return entry is not None and self.is_done(name) and is_other(path, entry.picture)

    def outputs(self, names: Iterable[str]) -> dict[str, str]:
        """Returns the record's path of every picture that ever had one, and of those named.

        Raises:
            OutputError: one lies outside the folder, by a link in it.
        """
        taken = {name: entry.output for name, entry in self.entries.items() if entry.output}
        outputs = name_outputs(names, taken)
        folder = self.folder.resolve()
        for parent in {(self.folder / output).parent for output in outputs.values()}:
            if not parent.resolve().is_relative_to(folder):
                raise OutputError(f"{parent} is a link out of {self.folder}. Remove it, or use another folder.")
        return outputs

    def add(self, entry: Entry) -> None:
        """Appends a line, and sees it on the disk.

        Raises:
            OutputError: it cannot be written.
        """
        self._append(entry.to_json())
        self.entries[entry.name] = entry

    def _append(self, record: Any) -> None:
        line = json.dumps(record).encode() + b"\n"
        try:
            while line:  # a full disk takes a part of it first
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)
        except OSError as error:
            raise OutputError(f"Cannot write {self.path}: {error.strerror}.") from error

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on Windows, where two runs in one folder merely do work twice
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"Another run is at work in {self.folder}: wait for it, or use another folder.") from error

    def _read(self, settings: Any) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self._file, len(whole))
        lines = [_parse(line) for line in whole.splitlines()]
        self.fresh = not content
        if not lines:
            self._append({"promptseg": promptseg.__version__, "format": _FORMAT, "settings": settings})
            return
        self._check(lines[0], settings)
        entries = [entry for entry in map(Entry.from_json, lines[1:]) if entry is not None]
        self.entries = {entry.name: entry for entry in entries}
        self._check_outputs()

    def _check_outputs(self) -> None:
        """Refuses records that no run would write: whoever changed the manifest may not say where files go."""
        given: dict[str, str] = {}
        for entry in self.entries.values():
            if entry.error:
                continue
            if not is_output_of(entry.name, entry.output) or entry.size < 0 or entry.masks < 0:
                raise FormatError(
                    f"{self.path} says that the record of {shorten(entry.name)} is {shorten(entry.output)}, "
                    "which no run writes. Nothing was written. Use another folder, or delete the manifest and "
                    "label again."
                )
            other = given.setdefault(entry.output.casefold(), entry.name)
            if other != entry.name:
                raise FormatError(
                    f"{self.path} has one record, {entry.output}, for {shorten(other)} and {shorten(entry.name)}. "
                    "Nothing was written. Use another folder, or delete the manifest and label again."
                )

    def _check(self, head: Any, settings: Any) -> None:
        if not isinstance(head, dict) or head.get("format") != _FORMAT:
            raise FormatError(f"{self.path} is not a manifest of this version. Use another folder.")
        made = head.get("settings")
        if made != settings:
            other = [key for key in settings if not isinstance(made, dict) or made.get(key) != settings[key]]
            raise InputError(
                f"{self.folder} holds records that were made with other settings ({', '.join(other)}). "
                "Use the same settings, or another folder."
            )


def picture_mark(path: str | os.PathLike[str]) -> str:
    """Returns by what a picture's file is known again: its time and size, and its content where those have changed.

    What is not a file of this machine has none.
    """
    try:
        status = os.stat(path)
        return f"{status.st_mtime_ns}:{status.st_size}:{file_sha256(Path(path))}"
    except OSError:
        return ""


def is_other(path: str | os.PathLike[str], mark: str) -> bool:
    """Returns whether a file is no longer the one of a mark; unknown ones are taken for the same."""
    time, _, rest = mark.partition(":")
    size, _, digest = rest.partition(":")
    try:
        status = os.stat(path)
        if not mark or (str(status.st_mtime_ns), str(status.st_size)) == (time, size):
            return False
        return str(status.st_size) != size or file_sha256(Path(path)) != digest
    except OSError:
        return False


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
