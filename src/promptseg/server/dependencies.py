"""What routes work with: the parts of one server, and how a route gets at them."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias, TypeVar

from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response

from promptseg.server.answers import ErrorBody
from promptseg.server.ears import Ears
from promptseg.server.jobs import Job, JobQueue, unless_gone
from promptseg.server.label_all import LabelRuns
from promptseg.server.metrics import Metrics
from promptseg.server.models import ServedModels
from promptseg.server.pictures import Pictures
from promptseg.server.schemas import MaskFormat
from promptseg.server.sessions import Sessions
from promptseg.server.settings import Limits, Settings
from promptseg.server.store import Store
from promptseg.server.videos import Videos

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    """The parts of one server.

    Attributes:
        readers: threads that parse and check large bodies.
        searches: how searches that run are ended early, by the names that their clients gave them.
    """

    settings: Settings
    store: Store
    models: ServedModels
    jobs: JobQueue
    pictures: Pictures
    videos: Videos
    sessions: Sessions
    ears: Ears
    runs: LabelRuns
    metrics: Metrics
    readers: ThreadPoolExecutor
    searches: dict[str, Callable[[], None]] = field(default_factory=dict[str, Callable[[], None]])

    @property
    def limits(self) -> Limits:
        """See `Limits`."""
        return self.settings.limits

    async def compute(self, work: Callable[[Job], T]) -> T:
        """Runs short work in the queue."""
        return await self.jobs.run(work, seconds=self.limits.request_seconds)

    async def compute_long(self, work: Callable[[Job], T]) -> T:
        """Runs long work in the queue."""
        return await self.jobs.run(work, seconds=self.limits.everything_seconds, long=True)

    @staticmethod
    async def watch(request: Request, work: Coroutine[Any, Any, T]) -> T:
        """Waits for work as long as the client does."""
        return await unless_gone(request, asyncio.ensure_future(work))


def server_of(request: Request) -> Server:
    """Returns the server that a request came to."""
    return request.app.state.server


def annotator_of(request: Request) -> str:
    """Returns who works, or nothing."""
    return request.scope.get("annotator", "")


AnnotatorDep: TypeAlias = Annotated[str, Depends(annotator_of)]
ServerDep: TypeAlias = Annotated[Server, Depends(server_of)]
ImagePath: TypeAlias = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="The picture: SHA-256 of its size and pixels.")
]
RunPath: TypeAlias = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="The run.")]
SessionPath: TypeAlias = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="The session.")]
FormatQuery: TypeAlias = Annotated[MaskFormat, Query(alias="format", description="How masks are written.")]
ModelQuery: TypeAlias = Annotated[
    str | None, Query(max_length=100, description="The model; by default the server's first.")
]

_WHEN = {
    400: "The body is not strict JSON.",
    401: "The token is missing or wrong.",
    403: "A foreign origin or host.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    409: "Somebody else has changed it.",
    412: "It belongs to another picture.",
    413: "Beyond a limit.",
    415: "A body of another type.",
    422: "The content is wrong.",
    503: "Busy, or past the deadline; see Retry-After.",
}


def errors(*further: int) -> dict[int | str, dict[str, Any]]:
    """Returns the errors that a route documents: those that every route has, and further ones."""
    statuses = sorted({400, 401, 403, 408, 413, 422, 503, *further})
    return {status: {"model": ErrorBody, "description": _WHEN[status]} for status in statuses}


def binary(media: str, description: str) -> dict[int | str, dict[str, Any]]:
    """Returns how a route documents an answer that is no JSON."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"content": {media: {"schema": schema}}, "description": description}}


def json_answer(content: str | bytes, status: int = 200) -> Response:
    """Returns JSON that was written elsewhere."""
    written = content.encode("utf-8", "replace") if isinstance(content, str) else content
    return Response(written, status, media_type="application/json")
