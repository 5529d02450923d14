"""The queue of pictures: how far the work on each is, who changed what when, and all of it in numbers."""

import json
from collections import defaultdict
from typing import Any

from promptseg.server.store import STATES, Store, now, remember
from promptseg.stopping import check_stop

SMALL, MEDIUM = 32**2, 96**2
"""COCO's sizes, in pixels."""


def put_review(
    store: Store, image: str, state: str | None, comment: str | None, seconds: float, annotator: str
) -> None:
    """Says how far the work on a picture is, and for how long more it was worked on.

    Raises:
        KeyError: there is no such picture.
        OutputError: it cannot be written.
    """
    with store.change() as db:
        if db.execute("select 1 from images where id = ?", (image,)).fetchone() is None:
            raise KeyError(image)
        if state is None and comment is not None:  # the state stays
            known = db.execute("select state from reviews where image = ?", (image,)).fetchone()
            state = known[0] if known else "todo"
        if state is not None:
            remember(db, image, annotator, "state", f"{state}: {comment}" if comment else state)
        else:
            db.execute(
                "insert into reviews values (?, 'todo', '', ?, ?, 0) on conflict do nothing", (image, annotator, now())
            )
        db.execute("update reviews set seconds = seconds + ? where image = ?", (seconds, image))
        if state is not None:
            db.execute("update reviews set state = ?, comment = ? where image = ?", (state, comment or "", image))


def changes_of(store: Store, image: str) -> list[dict[str, Any]]:
    """Returns what was done to a picture, the newest first."""
    rows = store.rows("select at, annotator, what, detail from history where image = ? order by number desc", image)
    return [dict(zip(("at", "annotator", "what", "detail"), row, strict=True)) for row in rows]


def statistics(store: Store) -> dict[str, Any]:
    """Returns the work in numbers: states, classes with their sizes, and annotators."""
    pictures = store.pictures()
    times = _Times()
    classes = _classes(store, times)
    states: dict[str, int] = dict.fromkeys(STATES, 0)
    people: dict[str, dict[str, Any]] = {}
    for picture in pictures:
        states[picture.state] += 1
        blank: dict[str, Any] = {"name": picture.annotator, "pictures": 0, "objects": 0, "seconds": 0.0}
        blank |= {"seconds_each": times.each("annotator", picture.annotator), "states": dict[str, int]()}
        person = people.setdefault(picture.annotator, blank)
        person["pictures"] += 1
        person["objects"] += picture.objects
        person["seconds"] += picture.seconds
        person["states"][picture.state] = person["states"].get(picture.state, 0) + 1
    people = {name: person for name, person in people.items() if name or person["objects"] or person["seconds"]}
    return {
        "pictures": len(pictures),
        "objects": sum(picture.objects for picture in pictures),
        "suggested": sum(picture.suggested for picture in pictures),
        "seconds": sum(picture.seconds for picture in pictures),
        "seconds_each": times.each("all"),
        "states": states,
        "classes": classes,
        "annotators": sorted(people.values(), key=lambda person: (-person["objects"], person["name"])),
    }


class _Times:
    """How long objects were worked on, for all, for each class and for each annotator."""

    def __init__(self) -> None:
        self._known: dict[tuple[str | None, ...], list[float]] = defaultdict(lambda: [0, 0.0])

    def add(self, seconds: float, label: str | None, annotator: str) -> None:
        """Counts an object, if it is known how long it took."""
        for key in (("all",), ("class", label), ("annotator", annotator)) if seconds else ():
            self._known[key][0] += 1
            self._known[key][1] += seconds

    def each(self, *key: str | None) -> float | None:
        """Returns the average of a group; None when no time of it is known."""
        count, seconds = self._known.get(key, (0, 0.0))
        return round(seconds / count, 1) if count else None


def _classes(store: Store, times: _Times) -> list[dict[str, Any]]:
    annotators = {picture.id: picture.annotator for picture in store.pictures()}
    counts: dict[str | None, list[int]] = defaultdict(lambda: [0, 0, 0])
    images: dict[str | None, int] = defaultdict(int)
    for (image,) in store.rows("select image from objects"):
        check_stop()
        seen: set[str | None] = set()
        for item in json.loads(store.objects(image).body):
            if item.get("suggested"):
                continue
            area = item.get("area") or 0
            counts[item.get("label")][0 if area < SMALL else 1 if area < MEDIUM else 2] += 1
            seen.add(item.get("label"))
            times.add(item.get("seconds") or 0.0, item.get("label"), annotators.get(image, ""))
        for label in seen:
            images[label] += 1
    listed = [entry["name"] for entry in json.loads(store.workspace("classes") or '{"classes": []}')["classes"]]
    names = list(dict.fromkeys([*listed, *sorted(name for name in counts if name is not None)]))
    return [
        {
            "name": name,
            "objects": sum(counts[name]),
            "pictures": images[name],
            **dict(zip(("small", "medium", "large"), counts[name], strict=True)),
            "seconds_each": times.each("class", name),
        }
        for name in [*names, *([None] if None in counts else [])]
    ]
