"""Which pictures a run works on, what they are called, and where their records go."""

import codecs
import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from promptseg.errors import InputError
from promptseg.images import PICTURE_SUFFIXES


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a run.

    Attributes:
        name: its path below the root of the source, with forward slashes; what the manifest knows it by.
        path: where it is.
    """

    name: str
    path: str


def is_batch(source: str) -> bool:
    """Returns whether `source` stands for many pictures: a folder, a glob, a list (`@list.txt`) or an address."""
    if os.path.lexists(source):
        return os.path.isdir(source)
    return source.startswith("@") or "://" in source or glob.has_magic(source)


def find_pictures(source: str) -> list[Item]:
    """Returns the pictures that `source` stands for, sorted by name.

    Args:
        source: a folder (searched with its subfolders, save hidden ones), a glob (`photos/**/*.jpg`), a list
            (`@list.txt`: one path per line), or one picture. Names are relative to the folder, to the part of the
            glob before its first wildcard, or to the deepest folder that holds everything on the list.

    Raises:
        InputError: there is no such place, or there are no pictures in it.
    """
    if os.path.isdir(source):
        root, paths = source, _walk(source)
    elif source.startswith("@") and not os.path.lexists(source):
        paths = _read_list(source[1:])
        root = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    elif glob.has_magic(source) and not os.path.lexists(source):
        root = _fixed_part(source)
        paths = [path for path in glob.iglob(source, recursive=True) if _is_picture(path)]
    elif os.path.lexists(source):
        root, paths = os.path.dirname(source), [source]
    else:
        raise InputError(f"There is no file or folder {source}. Check the path.")
    if not paths:
        endings = ", ".join(sorted(PICTURE_SUFFIXES))
        raise InputError(f"There are no pictures in {source}. Looked for files ending in {endings}.")
    names = _names(paths, root)
    if any(name.startswith("../") for name in names):  # a glob that climbs out again
        names = _names(paths, os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths]))
    return [Item(name, path) for name, path in sorted(names.items())]


def _names(paths: Iterable[str], root: str) -> dict[str, str]:
    return {Path(os.path.relpath(path, root or ".")).as_posix(): path for path in paths}


def name_outputs(names: Iterable[str], taken: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns the record's path below the output folder for each picture: the picture's, ending in .json.

    Pictures that would get the same record (a.jpg and a.png) keep their ending: a.jpg.json, a.png.json. Upper and lower
    case count as the same, as they do on some file systems.

    Args:
        names: the pictures.
        taken: records that have been given out already; they stay.
    """
    taken = taken or {}
    new = sorted(name for name in names if name not in taken)
    short = {name: str(PurePosixPath(name).with_suffix(".json")) for name in new}
    wanted = Counter(output.casefold() for output in short.values())
    outputs = dict(taken)
    used = {output.casefold() for output in outputs.values()}
    for name in sorted(new, key=lambda name: wanted[short[name].casefold()] > 1):  # those without rivals first
        output, tries = short[name], 0
        while output.casefold() in used or (tries == 0 and wanted[output.casefold()] > 1):
            tries += 1
            output = f"{name}.json" if tries == 1 else f"{name}.{tries}.json"
        outputs[name] = output
        used.add(output.casefold())
    return outputs


def is_output_of(name: str, output: str) -> bool:
    """Tells whether `output` is a record that `name_outputs` could give to a picture: a file inside the folder."""
    try:
        parts = [os.fsencode(part) for part in PurePosixPath(output).parts]
    except UnicodeEncodeError:
        return False
    inside = not PurePosixPath(output).is_absolute() and not any(part in (b"..", b".") for part in parts)
    if not inside or "\0" in output or any(len(part) > 255 for part in parts):
        return False
    try:
        short = str(PurePosixPath(name).with_suffix(".json"))
    except ValueError:
        return False
    return output == short or re.fullmatch(re.escape(name) + r"(\.[1-9]\d{0,8})?\.json", output) is not None


def _walk(folder: str) -> list[str]:
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(place, name) for name in files if not name.startswith(".")]
    return [path for path in found if _is_picture(path)]


def _is_picture(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in PICTURE_SUFFIXES and not os.path.isdir(path)


def _fixed_part(pattern: str) -> str:
    """Returns the folders of a glob before its first wildcard."""
    folder = pattern
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder


def _read_list(file: str) -> Sequence[str]:
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read the list {file}: {error.strerror}. Check the path.") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as PowerShell writes lists
        content = content.decode("utf-16", "replace").encode()
    lines = content.removeprefix(codecs.BOM_UTF8).splitlines()
    return [os.path.abspath(os.fsdecode(line.strip())) for line in lines if line.strip()]
