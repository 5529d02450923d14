"""Long work whose results are sent as they come: lines of JSON, at last one that says done, or error."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from promptseg.server.dependencies import Server
from promptseg.server.http_errors import HttpError, as_http_error
from promptseg.server.jobs import Job
from promptseg.server.json_out import json_bytes

MOST_WAITING = 64
"""Lines that wait for their reader; beyond, the work does."""

_LOOK_SECONDS = 0.1

Line: TypeAlias = dict[str, Any]
Told: TypeAlias = Callable[[Line], None]

STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Lines of JSON: progress, results, and at last done or error.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}
"""How a route documents such an answer."""


class Lines:
    """One piece of long work in a thread, and the lines that it gives.

    Args:
        server: whose queue it waits in.
        work: does it; it gets its job and a function that sends a line and stops it when nobody reads; it returns what
            the last line says beside "done".
        seconds: how long it may take; by default as long as searches.
        ended: called when it is over, whatever the end.
    """

    def __init__(
        self,
        server: Server,
        work: Callable[[Job, Told], Line],
        *,
        seconds: float | None = None,
        ended: Callable[[], object] = lambda: None,
    ) -> None:
        self._server, self._work, self._ended = server, work, ended
        self._seconds = seconds or server.limits.everything_seconds
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(MOST_WAITING)
        self._task: asyncio.Task[Line] | None = None

    async def response(self, request: Request) -> Response:
        """Starts the work and returns the answer, once there is a first line.

        Raises:
            HttpError: it could not begin; whether there is room for it shows before anything is sent.
        """
        first = await self._server.watch(request, self._first())
        return StreamingResponse(self._lines(first), media_type="application/x-ndjson")

    async def _first(self) -> bytes | None:
        self._task = asyncio.ensure_future(self._server.jobs.run(self._do, seconds=self._seconds, long=True))
        self._task.add_done_callback(self._over)
        try:
            line = await self._queue.get()
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if line is None:
            self._task.result()
        return line

    def _over(self, done: "asyncio.Task[Line]") -> None:
        self._ended()
        self._queue.put_nowait(None)

    async def _lines(self, first: bytes | None) -> AsyncIterator[bytes]:
        assert self._task is not None  # noqa: S101 - `_first` was called
        try:
            line = first
            while line is not None:
                yield line
                self._room.release()
                line = await self._queue.get()
            yield json_bytes(self._last()) + b"\n"
        finally:
            self._task.cancel()  # the client has left

    def _last(self) -> Line:
        assert self._task is not None  # noqa: S101
        error = self._task.exception()
        if error is None:
            return {"type": "done", **self._task.result()}
        answer = as_http_error(error) if isinstance(error, Exception) else HttpError(503, "BusyError", "Stopped.")
        return {"type": "error", **answer.body}

    def _do(self, job: Job) -> Line:
        def tell(line: Line) -> None:
            job.check()
            content = json_bytes(line) + b"\n"
            while not self._room.acquire(timeout=_LOOK_SECONDS):  # its reader is slow: what is found waits for him
                job.check()
            job.loop.call_soon_threadsafe(self._queue.put_nowait, content)

        return self._work(job, tell)
