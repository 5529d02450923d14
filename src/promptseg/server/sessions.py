"""Dialogues that survive a restart: their rounds are stored, the live `Session` is made again when it is needed.

What is stored are all rounds, those that were undone included, and how many are in force.
"""

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from pydantic import TypeAdapter

from promptseg.images import Image
from promptseg.masks.segments import Segments
from promptseg.segment.session import Session
from promptseg.server import prompts_in as asked
from promptseg.server.ears import Ears
from promptseg.server.http_errors import not_found, too_large
from promptseg.server.jobs import Job, JobQueue
from promptseg.server.models import ServedModels
from promptseg.server.pictures import Pictures
from promptseg.server.schemas import OneObject, RoundRequest
from promptseg.server.settings import Limits
from promptseg.server.store import Picture, Store, StoredSession

T = TypeVar("T")

ROUND_BYTES = 300_000
"""What one round of a live session is counted as: its logits and its mask."""

_PROMPTS: TypeAdapter[list[Any]] = TypeAdapter(OneObject)


@dataclass(eq=False, slots=True)
class _Live:
    session: Session
    stored: StoredSession


@dataclass(frozen=True, slots=True)
class State:
    """What a dialogue says after a request."""

    id: str
    picture: Picture
    model: str
    segments: Segments
    rounds: list[dict[str, Any]]
    can_undo: bool
    can_redo: bool


class Sessions:
    """All dialogues of a server.

    Args:
        store: where they are kept.
        pictures: whose embeddings they speak about.
        models: what answers.
        jobs: where work is done.
        ears: what writes recordings down.
        limits: see `Limits`.
    """

    def __init__(
        self, store: Store, pictures: Pictures, models: ServedModels, jobs: JobQueue, ears: Ears, limits: Limits
    ) -> None:
        self._store, self._pictures, self._models = store, pictures, models
        self._jobs, self._ears, self._limits = jobs, ears, limits
        # One lock per session in use, so that its requests come one after the other.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def begin(self, picture: Picture, model: str) -> State:
        """Begins a dialogue."""
        stored = StoredSession(secrets.token_hex(16), picture.id, model, 0, "[]")
        embedded = await self._pictures.embedded(picture, model)
        live = _Live(await self._run(lambda job: self._models.get(model).session(embedded)), stored)
        return await self._keep(picture, live)

    async def state(self, session: str) -> State:
        """Returns a dialogue as it is.

        Raises:
            HttpError: 404, there is none.
        """
        async with self._lock(session):
            picture, live = await self._live(session)
            return self._state(picture, live)

    async def add(self, session: str, body: RoundRequest) -> State:
        """Adds a round.

        Raises:
            HttpError: 404, 413, 422 or 503; the dialogue is as before.
            PromptError: a prompt does not fit.
        """
        async with self._lock(session):
            picture, live = await self._live(session)
            if live.stored.position >= self._limits.max_rounds:
                raise too_large(f"A session has at most {self._limits.max_rounds:,} rounds. Begin another.")
            asked.check(body.prompts, self._limits, picture.width * picture.height)
            given, _ = await self._run(lambda job: asked.write_down(body.prompts, self._ears))
            others = await self._others(given)

            def work(job: Job) -> None:
                prompts = asked.to_prompts(given, others, self._limits)
                live.session.add(*prompts, object_id=body.object_id, granularity=body.granularity)

            before = live.stored
            rounds = json.loads(before.rounds)[: before.position]
            asked_for = [part.model_dump() for part in given]  # phrases, not recordings
            rounds.append({**body.model_dump(include={"object_id", "granularity"}), "prompts": asked_for})
            text = json.dumps(rounds)
            if len(text) > self._limits.max_json_bytes:
                raise too_large(
                    f"The rounds of a session take at most {self._limits.max_json_bytes:,} bytes. Begin another."
                )
            try:
                await self._run(work)
                live.stored = replace(before, rounds=text, position=before.position + 1)
                return await self._keep(picture, live)
            except BaseException:
                # Cancelled or failed half-way: what is stored counts, and the live session is made anew from it.
                self._pictures.memory.drop(("session", session))
                raise

    async def _others(self, prompts: list[Any]) -> dict[str, Image]:
        records = [await self._pictures.record(image) for image in asked.stored_references(prompts)]
        return await self._run(lambda job: {record.id: self._pictures.open(record) for record in records})

    async def move(self, session: str, way: str) -> State:
        """Takes a round back ("undo"), brings it again ("redo"), or forgets all ("reset")."""
        async with self._lock(session):
            picture, live = await self._live(session)
            position, rounds = live.stored.position, live.stored.rounds
            if way == "undo":
                live.session.undo()
                position = max(0, position - 1)
            elif way == "redo":
                live.session.redo()
                position = min(len(json.loads(rounds)), position + 1)
            else:
                live.session.reset()
                position, rounds = 0, "[]"
            live.stored = replace(live.stored, position=position, rounds=rounds)
            try:
                return await self._keep(picture, live)
            except BaseException:
                self._pictures.memory.drop(("session", session))
                raise

    async def drop(self, session: str) -> None:
        """Forgets a dialogue.

        Raises:
            HttpError: 404, there is none.
        """
        async with self._lock(session):
            self._pictures.memory.drop(("session", session))
            if not await asyncio.to_thread(self._store.drop_session, session):
                raise _unknown(session)

    def _lock(self, session: str) -> asyncio.Lock:
        lock = self._locks.get(session)
        if lock is None:
            lock = self._locks[session] = asyncio.Lock()
        return lock

    async def _live(self, session: str) -> tuple[Picture, _Live]:
        stored = await asyncio.to_thread(self._store.session, session)
        if stored is None:
            self._pictures.memory.drop(("session", session))
            raise _unknown(session)
        picture = await self._pictures.record(stored.image)
        live: _Live | None = self._pictures.memory.get(("session", session))
        if live is None or live.stored != stored:
            live = await self._replayed(picture, stored)
            self._remember(live)
        return picture, live

    async def _replayed(self, picture: Picture, stored: StoredSession) -> _Live:
        model = self._models.card(stored.model).name  # 404 when it is no longer served
        embedded = await self._pictures.embedded(picture, model)
        rounds: list[dict[str, Any]] = json.loads(stored.rounds)
        prompts = [_PROMPTS.validate_python(item["prompts"]) for item in rounds]
        others = await self._others([part for parts in prompts for part in parts])

        def work(job: Job) -> Session:
            session = self._models.get(model).session(embedded)
            for item, parts in zip(rounds, prompts, strict=True):
                job.check()
                session.add(
                    *asked.to_prompts(parts, others, self._limits),
                    object_id=item["object_id"],
                    granularity=item["granularity"],
                )
            for _ in range(len(rounds) - stored.position):
                session.undo()
            return session

        return _Live(await self._run(work), stored)

    async def _run(self, work: Callable[[Job], T]) -> T:
        return await self._jobs.run(work, seconds=self._limits.request_seconds)

    async def _keep(self, picture: Picture, live: _Live) -> State:
        try:
            await asyncio.to_thread(self._store.put_session, live.stored, self._limits.max_sessions)
        except KeyError as error:
            raise not_found(f"The picture {picture.id} was deleted meanwhile.") from error
        self._remember(live)
        return self._state(picture, live)

    def _remember(self, live: _Live) -> None:
        size = ROUND_BYTES * (1 + live.stored.position)
        self._pictures.memory.put(("session", live.stored.id), live, size)

    def _state(self, picture: Picture, live: _Live) -> State:
        stored = live.stored
        rounds = json.loads(stored.rounds)
        return State(
            stored.id,
            picture,
            stored.model,
            live.session.segments,
            rounds[: stored.position],
            live.session.can_undo,
            live.session.can_redo,
        )


def _unknown(session: str) -> Exception:
    return not_found(f"There is no session {session}. Begin one: POST /v1/sessions.")
