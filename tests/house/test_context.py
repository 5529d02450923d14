"""CONTEXT.md names every room, and no two public classes share a name."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import promptseg

SOURCE = Path(promptseg.__file__).parent
CONTEXT = SOURCE.parents[1] / "CONTEXT.md"
NAMED_AFTER_ROOMS = ("segment", "models/companions", "hands")
"""Rooms in which every file is named by a word of ours, too."""
PLAIN = {
    *("cli", "formats", "models", "runtimes", "images", "weights", "schemas", "routes", "train", "evaluate"),
    *("classes", "engine", "picture", "predictor", "results", "segmenter", "answer", "options", "grid", "generate"),
    *("embedded", "search", "tasks", "segment", "finetune"),
}
"""Names that need no explanation: words of Python, of the field, or of the folder that they stand in."""


def defined_words() -> set[str]:
    """Returns every word of the first columns."""
    rows = [line.split("|")[1] for line in CONTEXT.read_text().splitlines() if line.startswith("| ")]
    return {word.lower() for row in rows for word in re.findall(r"[A-Za-z]+", row.replace("-", ""))}


def rooms() -> set[str]:
    """Returns the names of all folders of the package, and of the files in some."""
    folders = {path.parent for path in SOURCE.rglob("__init__.py")} - {SOURCE}
    files = {path for room in NAMED_AFTER_ROOMS for path in (SOURCE / room).rglob("*.py")}
    return {path.stem for path in folders | files if path.stem != "__init__"}


def test_every_room_has_its_word():
    words = defined_words()
    words |= {f"{word}s" for word in words} | PLAIN
    unknown = {room for room in rooms() if room.replace("_", "") not in words and not set(room.split("_")) <= words}
    assert not unknown, f"CONTEXT.md does not say what these are: {sorted(unknown)}"


def test_no_public_class_is_defined_twice():
    homes = defaultdict(list)
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(SOURCE)))
    twice = {name: places for name, places in homes.items() if len(places) > 1}
    assert not twice


def test_a_word_is_defined_once():
    rows = [line.split("|")[1].strip() for line in CONTEXT.read_text().splitlines() if line.startswith("| ")]
    words = [row for row in rows if row != "word"]
    assert len(words) == len(set(words))
