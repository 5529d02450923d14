"""Labelling many pictures in the background: runs that go picture by picture, can be stopped, and can go on.

What is found becomes suggestions: objects that a person accepts or rejects.
"""

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import Sequence
from typing import Any

from promptseg.errors import PromptsegError
from promptseg.masks.overlap import intersection_area
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.prompts.types import Text
from promptseg.segment.words.phrases.read import name_in
from promptseg.server.data_set_in import store_objects
from promptseg.server.http_errors import HttpError, not_found, too_large, unsupported
from promptseg.server.jobs import Job, JobQueue
from promptseg.server.label_files import objects_of
from promptseg.server.models import ServedModels
from promptseg.server.pictures import Pictures
from promptseg.server.schemas import LabelAllRequest, PointPrompt
from promptseg.server.settings import Limits
from promptseg.server.store import Picture, Store, now

_log = logging.getLogger("promptseg.server")

KNOWN = 0.5
"""What objects cover to more than this share is not new."""

_BUSY_SECONDS = 1.0
_OPEN = ("waiting", "running")


class LabelRuns:
    """The runs of a server; one works at a time.

    Args:
        store: where they are kept; those that were at work when a server ended are stopped, and can go on.
        pictures: the pictures.
        models: the models.
        jobs: the queue that each picture's search waits in.
        limits: see `Limits`.
    """

    def __init__(self, store: Store, pictures: Pictures, models: ServedModels, jobs: JobQueue, limits: Limits) -> None:
        self._store, self._pictures, self._models, self._jobs, self._limits = store, pictures, models, jobs, limits
        self._turn = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        with store.change() as db:
            db.execute("update runs set state = 'stopped' where state in ('waiting', 'running')")

    def all(self) -> list[dict[str, Any]]:
        """Returns the runs, the newest first; blocks."""
        rows = self._store.rows("select id, state, body from runs order by rowid desc")
        return [_seen(run, state, json.loads(body)) for run, state, body in rows]

    async def begin(self, wanted: LabelAllRequest, annotator: str) -> dict[str, Any]:
        """Begins a run.

        Raises:
            HttpError: 404, a picture is not there; 413, too many runs wait; 422, the model cannot do it.
        """
        if wanted.images is None:
            images = [picture.id for picture in await asyncio.to_thread(self._store.pictures)]
        else:
            images = [(await self._pictures.record(image)).id for image in dict.fromkeys(wanted.images)]
        card = self._models.card(wanted.model)
        if not wanted.classes and "everything" not in card.abilities:
            raise unsupported(f"{card.name} does not search. Give words, or use a model of the SAM family.")
        classes = [(one.phrase, one.label or name_in(one.phrase)) for one in wanted.classes]
        body: dict[str, Any] = {"images": images, "at": 0, "found": 0, "failed": 0, "error": None, "classes": classes}
        body.update(model=card.name, created=now(), annotator=annotator)
        run = secrets.token_hex(16)
        await asyncio.to_thread(self._write, run, "waiting", body, new=True)
        self._start(run)
        return _seen(run, "waiting", body)

    async def resume(self, run: str) -> dict[str, Any]:
        """Goes on with a run that was stopped.

        Raises:
            HttpError: 404, there is no such run; 413, too many runs wait.
        """
        state, body = self._read(run)
        if state in ("stopped", "failed"):
            await self.end(run)
            await asyncio.to_thread(self._write, run, "waiting", body, new=True)
            self._start(run)
        return _seen(run, *self._read(run))

    async def stop(self, run: str) -> dict[str, Any]:
        """Stops a run; what it has found stays.

        Raises:
            HttpError: 404, there is no such run.
        """
        self._read(run)
        await self.end(run)
        state, body = self._read(run)
        if state in _OPEN:
            state = "stopped"
            await asyncio.to_thread(self._write, run, state, body)
        return _seen(run, state, body)

    async def end(self, run: str) -> None:
        """Ends the task of a run, if there is one."""
        task = self._tasks.pop(run, None)
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def close(self) -> None:
        """Ends all tasks; their runs can go on when the server is started again."""
        for run in list(self._tasks):
            await self.end(run)

    def _start(self, run: str) -> None:
        task = asyncio.get_running_loop().create_task(self._work(run))
        self._tasks[run] = task
        task.add_done_callback(lambda done: self._tasks.pop(run, None) if self._tasks.get(run) is done else None)

    async def _work(self, run: str) -> None:
        async with self._turn:
            _, body = self._read(run)
            await asyncio.to_thread(self._write, run, "running", body)
            while body["at"] < len(body["images"]):
                try:
                    body["found"] += await self._picture(body["images"][body["at"]], body)
                except (HttpError, PromptsegError) as error:
                    if isinstance(error, HttpError) and error.kind == "BusyError":
                        await asyncio.sleep(_BUSY_SECONDS)
                        continue
                    body["failed"] += 1
                    body["error"] = error.message if isinstance(error, HttpError) else str(error)
                except Exception:
                    _log.exception("A run cannot go on.")
                    body["error"] = "The server has a fault. Its log tells more."
                    await asyncio.to_thread(self._write, run, "failed", body)
                    return
                body["at"] += 1
                await asyncio.to_thread(self._write, run, "running", body)
            await asyncio.to_thread(self._write, run, "done", body)

    async def _picture(self, image: str, body: dict[str, Any]) -> int:
        """Labels a picture; returns how much was suggested."""
        picture = await asyncio.to_thread(self._store.picture, image)
        if picture is None:  # deleted meanwhile
            return 0
        embedded = await self._pictures.embedded(picture, body["model"])

        def work(job: Job) -> list[dict[str, Any]]:
            segmenter = self._models.get(body["model"])
            if not body["classes"]:
                parts = segmenter.iter_everything(embedded, on_progress=lambda done, total: job.check())
                return [item for part in parts for item in _suggestions(part, None)]
            found: list[dict[str, Any]] = []
            for phrase, label in body["classes"]:
                job.check()
                found.extend(_suggestions(segmenter.segment(embedded, [Text(phrase)]), label))
            return found

        found = await self._jobs.run(work, seconds=self._limits.everything_seconds, long=True)
        return await asyncio.to_thread(self._suggest, picture, found, body["annotator"])

    def _suggest(self, picture: Picture, found: Sequence[dict[str, Any]], annotator: str) -> int:
        there = [RLE.from_coco(item["segmentation"]) for item in json.loads(self._store.objects(picture.id).body)]
        fresh: list[dict[str, Any]] = []
        for item in sorted(found, key=lambda one: -(one["score"] or 0)):
            mask = RLE.from_coco(item["segmentation"])
            if not mask.area:
                continue
            if any(_known(mask, other) for other in there):
                continue
            there.append(mask)
            fresh.append(item)
        # The small lie on top of the large; the store refuses more than there may be.
        fresh.sort(key=lambda one: -one["area"])
        if not fresh:
            return 0
        try:
            return store_objects(self._store, picture, fresh, "add", self._limits, annotator)
        except KeyError:  # deleted meanwhile
            return 0

    def _read(self, run: str) -> tuple[str, dict[str, Any]]:
        rows = self._store.rows("select state, body from runs where id = ?", run)
        if not rows:
            raise not_found(f"There is no run {run}.")
        return rows[0][0], json.loads(rows[0][1])

    def _write(self, run: str, state: str, body: dict[str, Any], *, new: bool = False) -> None:
        with self._store.change() as db:
            if new:  # in the same transaction, so that two who begin at once do not both take the last place
                query = "select count(*) from runs where state in ('waiting', 'running') and id <> ?"
                ((waiting,),) = db.execute(query, (run,)).fetchall()
                if waiting >= self._limits.max_runs:
                    raise too_large(
                        f"{waiting} runs wait already; the limit is {self._limits.max_runs}. Stop one of them."
                    )
            db.execute(
                "insert into runs values (?, ?, ?) on conflict (id) do update set state = excluded.state, "
                "body = excluded.body",
                (run, state, json.dumps(body)),
            )
            db.execute(
                "delete from runs where state in ('done', 'failed', 'stopped') and id not in "
                "(select id from runs order by rowid desc limit ?)",
                (4 * self._limits.max_runs,),
            )


def _known(mask: RLE, other: RLE) -> bool:
    """Whether two masks are the same thing: each covers the other by half. A part of a thing is another one."""
    return intersection_area(mask, other) > KNOWN * max(mask.area, other.area)


def _suggestions(found: Segments, label: str | None) -> list[dict[str, Any]]:
    items = objects_of([(mask, label) for mask in found.masks])
    for index, item in enumerate(items):
        given = [prompt for prompt in found.prompts[index] or () if prompt.kind == "point"]
        stabilities = found.stability_scores
        item.update(
            suggested=True,
            score=float(found.scores[index]),
            stability_score=None if stabilities is None else float(stabilities[index]),
            prompts=[PointPrompt(type="point", x=point.x, y=point.y).model_dump() for point in given],
        )
    return items


def _seen(run: str, state: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": run,
        "state": state,
        "total": len(body["images"]),
        "done": body["at"],
        "found": body["found"],
        "failed": body["failed"],
        "error": body["error"],
        "classes": [label for _, label in body["classes"]],
        "created": body["created"],
    }
