"""The classes of a folder of label files, so that a class has one number in all of them.

YOLO's files share `data.yaml`. `classes.txt` beside it says the same to older tools, unless it is the label file of a
picture called `classes`. A COCO file holds its own categories; those of a folder go on with the numbers of the one
before.
"""

import contextlib
import json
import os
import re
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

from promptseg.errors import FormatError
from promptseg.files import write_bytes
from promptseg.formats.reading import read_json, read_text
from promptseg.masks.records import UNLABELLED
from promptseg.masks.segments import Segments

YAML, LIST = "data.yaml", "classes.txt"

_HEAD = "# The classes of the label files. Pictures lie beside them, or in images/ with the files in labels/.\n"
_LABEL = re.compile(r"\s*\d+(\s+[-+.\deE]+){4,}\s*")


def class_name(label: str | None) -> str:
    """Returns a label as a class name: one line of text."""
    return " ".join((label or "").split()) or UNLABELLED


def class_names(results: Iterable[Segments], known: Sequence[str] = ()) -> list[str]:
    """Returns the known names and after them the new labels, in the order they appear."""
    labels = (class_name(label) for segments in results for label in segments.labels)
    return list(dict.fromkeys([*known, *labels]))


@contextlib.contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Waits until no other process numbers classes in a folder, where the system can tell."""
    try:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True)
        place = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # not on Windows; and what cannot be opened says so when it is written to
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def has_list(folder: Path) -> bool:
    """Returns whether `classes.txt` is the folder's list of classes, and not the labels of a picture called so.

    Raises:
        FormatError: it is no text.
    """
    yaml, plain = folder / YAML, folder / LIST
    if not plain.exists():
        return False
    text = read_text(plain)
    if yaml.exists():
        return text.splitlines() == names_in_yaml(read_text(yaml), str(yaml))
    lines = [line for line in text.splitlines() if line.strip()]
    return not lines or not all(_LABEL.fullmatch(line) for line in lines)


def read_yolo_classes(folder: Path) -> list[str]:
    """Returns the classes of a folder of YOLO files, by number; none where it has none.

    Raises:
        FormatError: its `data.yaml` cannot be understood.
    """
    yaml, plain = folder / YAML, folder / LIST
    if yaml.exists():
        return names_in_yaml(read_text(yaml), str(yaml))
    return [line.strip() for line in read_text(plain).splitlines()] if has_list(folder) else []


def write_yolo_classes(folder: Path, names: Sequence[str], stem: str) -> list[Path]:
    """Writes the classes of a folder of YOLO files; what else `data.yaml` says stays.

    Args:
        folder: the folder.
        names: the classes, by number.
        stem: the picture whose labels were just written.

    Returns:
        The files that hold the classes.
    """
    yaml, plain = folder / YAML, folder / LIST
    taken = stem == plain.stem or (plain.exists() and not has_list(folder))
    before = read_text(yaml) if yaml.exists() else f"{_HEAD}train: .\nval: .\n"
    write_bytes(yaml, with_names(before, names).encode())
    if taken:
        return [yaml]
    write_bytes(plain, "".join(f"{name}\n" for name in names).encode())
    return [plain, yaml]


def names_in_yaml(text: str, what: str = "data.yaml") -> list[str]:
    """Reads `names` out of the small part of YAML that such files use: a list, or numbered lines.

    Raises:
        FormatError: the names are written in another way.
    """
    lines = text.splitlines()
    start, end = _names_block(lines)
    if start == end:
        return []
    inline = lines[start].removeprefix("names:").strip()
    if inline and not inline.startswith("#"):
        body = re.fullmatch(r"\[(.*?)\]\s*(#.*)?", " ".join([inline, *map(str.strip, lines[start + 1 : end])]))
        if body is None:
            raise FormatError(f"{what} has names that cannot be read: expected a list, or a line for each.")
        return [_unquoted(name) for name in _split(body[1])]
    names: dict[int, str] = {}
    for line in lines[start + 1 : end]:
        entry = line.strip()
        if entry.startswith("- "):
            names[len(names)] = _unquoted(entry[2:])
        elif match := re.match(r"['\"]?(\d{1,5})['\"]?\s*:\s+(.*)", entry):
            names[int(match[1])] = _unquoted(match[2])
        elif entry and not entry.startswith("#"):
            raise FormatError(f"{what} has names that cannot be read: {entry[:60]!r}.")
    return [names.get(number, f"class {number}") for number in range(max(names, default=-1) + 1)]


def with_names(text: str, names: Sequence[str]) -> str:
    """Returns the text of a `data.yaml` with other names, and `nc`, their number."""
    lines = text.splitlines()
    start, end = _names_block(lines)
    block = [f"nc: {len(names)}", "names:", *(f"  {at}: {_quoted(name)}" for at, name in enumerate(names))]
    rest = [line for line in lines[:start] if not line.startswith("nc:")]
    return "\n".join([*rest, *block, *(line for line in lines[end:] if not line.startswith("nc:")), ""])


def coco_categories(folder: Path, ending: str) -> list[str]:
    """Returns the categories of a folder's latest COCO file, by number from 1, where they can be read.

    Each file holds those of the files before it.
    """
    files = [entry for entry in os.scandir(folder) if entry.name.endswith(ending)] if folder.is_dir() else []
    for entry in sorted(files, key=lambda entry: -entry.stat().st_mtime_ns):
        with contextlib.suppress(FormatError, KeyError, TypeError, ValueError):
            found = {int(category["id"]): str(category["name"]) for category in read_json(entry.path)["categories"]}
            return [found[number] for number in range(1, len(found) + 1)]
    return []


def _names_block(lines: Sequence[str]) -> tuple[int, int]:
    """Returns from which line to which the names stand; both are the end when there are none."""
    start = next((number for number, line in enumerate(lines) if line.startswith("names:")), len(lines))
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith((" ", "\t", "-", "#", "]"))):
        end += 1
    return start, min(end, len(lines))


def _split(text: str) -> list[str]:
    """Splits at commas outside quotes."""
    return [part for part in re.findall(r"\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^,'\"][^,]*)\s*,?", text) if part]


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=not name.isprintable())


def _unquoted(text: str) -> str:
    text = text.strip()
    if text.startswith('"'):
        with contextlib.suppress(ValueError):
            return str(json.JSONDecoder().raw_decode(text)[0])
    if match := re.match(r"'((?:[^']|'')*)'", text):
        return match[1].replace("''", "'")
    return re.sub(r"(?<!\s)\s++#.*", "", text).strip("\"'")
