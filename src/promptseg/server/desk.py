"""A project's pictures on the desk of the studio (`promptseg serve --project`), and what people did with them.

Pictures are laid out in the order of the project's queue, a visit each; proposals lie on them as objects. What is saved
in the studio goes into the project some seconds later: new objects as accepted masks, changed ones as corrections,
deleted proposals as rejected. A picture is done when work has gone on to another one, or the server stops.
"""

import contextlib
import json
import logging
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from promptseg.engine.project import Project
from promptseg.engine.records import Lease, ProjectMask
from promptseg.errors import PromptsegError
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.server.store import Picture, Store, now

EVERY_SECONDS = 3.0
"""How often what was saved goes into the project."""

IDLE_SECONDS = 120.0
"""A longer time between two saves does not count as work."""

_KEY = "project"

_log = logging.getLogger("promptseg.server")


class Desk:
    """Lays a project's pictures out in a store, and takes the work back.

    Args:
        project: the project.
        store: of the server.
        person: whose work it is.
        pictures: so many lie on the desk at a time.
    """

    def __init__(self, project: Project, store: Store, person: str, pictures: int = 20) -> None:
        self._project, self._store, self._person, self._pictures = project, store, person, pictures
        self._known: dict[str, Any] = json.loads(store.workspace(_KEY) or "{}")
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="promptseg-desk", daemon=True)

    def start(self) -> None:
        """Lays pictures out, and begins to take work back.

        Raises:
            OutputError: the store or the project cannot be written.
        """
        self.fill()
        self._thread.start()

    def close(self) -> None:
        """Takes the last work back; pictures that were worked on are done, the others are given back."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        self.sync(last=True)

    def _run(self) -> None:
        while not self._end.wait(EVERY_SECONDS):
            try:
                self.sync()
                self.fill()
            except Exception:  # nobody's work stays behind because of it: tried again in a moment
                _log.exception("The project could not take back what was saved; it is tried again.")

    def fill(self) -> int:
        """Lays pictures out until there are enough on the desk; returns how many were added."""
        added = 0
        lying = sum(not each["done"] for each in self._known.values())
        while lying + added < self._pictures:
            lease = self._project.work.take(f"{self._person} {len(self._known) + 1}")
            if lease is None:
                break
            try:
                self._lay(lease)
            except PromptsegError:  # a picture that is gone or damaged is nobody's work
                self._project.work.finish(lease.visit, left=True, seconds=0)
                continue
            added += 1
        return added

    def _lay(self, lease: Lease) -> None:
        self._project.pictures.check_content(lease.picture)
        content = Path(lease.picture.path).read_bytes()
        image = Image.open(content, name=lease.picture.name)
        height, width = image.size
        media = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
        kind = media.get(Path(lease.picture.path).suffix.lower(), "application/octet-stream")
        self._store.add_picture(
            Picture(image.digest, width, height, lease.picture.name, kind, len(content), now()), content
        )
        proposed = self._project.work.of(lease.picture.id, "proposed")
        objects = [_object(mask) for mask in proposed]
        version = 0
        if objects:
            stored = self._store.put_objects(image.digest, json.dumps(objects), len(objects), None)
            version = 0 if stored is None else stored.version
        self._known[image.digest] = {
            "picture": lease.picture.id,
            "visit": lease.visit,
            "stage": lease.stage,
            "person": lease.person,
            "version": version,
            "done": False,
            "worked": False,
        }
        self._store.put_workspace(_KEY, json.dumps(self._known))

    def sync(self, *, last: bool = False) -> int:
        """Takes back what was saved since; returns how many masks were accepted.

        Args:
            last: whether nothing will come after.

        Raises:
            OutputError: the project cannot be written.
        """
        accepted = 0
        changed: list[tuple[str, str]] = []
        for image, known in self._known.items():
            stored = self._store.objects(image)
            if stored.version > known["version"]:
                accepted += self._take_back(known, json.loads(stored.body), stored.updated)
                known |= {"version": stored.version, "worked": True, "updated": stored.updated}
                changed.append((stored.updated, image))
        newest = max(((each.get("updated", ""), image) for image, each in self._known.items()), default=("", ""))[1]
        for image, known in self._known.items():
            if not known["done"] and (last or (known["worked"] and image != newest)):
                with contextlib.suppress(PromptsegError):  # its lock ran out meanwhile
                    if known["worked"]:
                        self._project.work.finish(known["visit"])
                    else:
                        self._project.work.release(known["visit"])
                known["done"] = True
        if changed or last:
            self._store.put_workspace(_KEY, json.dumps(self._known))
        return accepted

    def _take_back(self, known: dict[str, Any], objects: list[dict[str, Any]], updated: str) -> int:
        work, picture, person = self._project.work, known["picture"], known["person"]
        there = {mask.id: mask for mask in work.of(picture, "accepted", "proposed")}
        laid = {f"mask-{number}": mask for number, mask in there.items()}
        fresh: list[tuple[dict[str, Any], RLE, ProjectMask | None]] = []
        for entry in objects:
            if entry.get("suggested"):  # nobody has accepted it yet
                continue
            mask = RLE.from_coco(entry["segmentation"])
            before = work.by_object(picture, entry["id"]) or laid.get(entry["id"])
            if before is not None:
                there.pop(before.id, None)
            if mask.area and (before is None or before.mask != mask or before.label != entry.get("label")):
                fresh.append((entry, mask, before))
        seconds = _between(known.get("updated"), updated) / max(1, len(fresh))
        for entry, mask, before in fresh:
            work.accept(
                ProjectMask(
                    picture,
                    mask,
                    person=person,
                    stage=known["stage"],
                    version=self._project.versions.current.number,
                    seconds=seconds,
                    clicks=len(entry.get("prompts", ())),
                    label=entry.get("label"),
                    score=entry.get("score"),
                    corrects=None if before is None else before.id,
                    object=entry["id"],
                )
            )
        for number in there:  # what was on the picture and is no more
            work.judge(number, person, accept=False)
        return len(fresh)


def _object(mask: ProjectMask) -> dict[str, Any]:
    """Returns a proposal as the studio's object."""
    return {
        "id": f"mask-{mask.id}",
        "segmentation": mask.mask.to_coco(),
        "name": None,
        "label": mask.label,
        "colour": None,
        "visible": True,
        "opacity": 0.5,
        "locked": False,
        "score": mask.score,
        "stability_score": mask.stability,
        "granularity": None,
        "prompts": [],
        "extra": {},
    }


def _between(first: str | None, second: str) -> float:
    """Returns the seconds of work between two saves; 0 where that is not known or was a pause."""
    if not first:
        return 0.0
    passed = (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()
    return passed if 0 <= passed <= IDLE_SECONDS else 0.0
