"""`create_app`: the whole server as an ASGI application."""

import contextlib
import logging
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response
from starlette.exceptions import HTTPException

import promptseg
from promptseg.errors import PromptsegError, WeightsError
from promptseg.server import static
from promptseg.server.dependencies import Server
from promptseg.server.ears import Ears
from promptseg.server.http_errors import HttpError, as_http_error, busy, from_validation
from promptseg.server.jobs import Cancelled, Gone, JobQueue
from promptseg.server.label_all import LabelRuns
from promptseg.server.metrics import Metrics
from promptseg.server.middleware import ANNOTATOR, GuardMiddleware
from promptseg.server.models import ServedModels
from promptseg.server.pictures import Pictures
from promptseg.server.routes import (
    about,
    data_sets,
    images,
    label_studio,
    objects,
    prompts,
    queue,
    runs,
    sessions,
    speech,
    videos,
)
from promptseg.server.sessions import Sessions
from promptseg.server.settings import Settings
from promptseg.server.store import Store
from promptseg.server.videos import Videos

_log = logging.getLogger("promptseg.server")

_EXPOSED = (
    "ETag",
    "Retry-After",
    "Content-Disposition",
    "X-Request-Id",
    "X-Promptseg-Shape",
    "X-Promptseg-Dtype",
    "X-Promptseg-Model",
    "X-Promptseg-Size",
    "X-Promptseg-Resized",
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Makes a server; the default model is loaded at once, the others when they are first asked for.

    Raises:
        OutputError: the folder of its data cannot be used.
        WeightsError: a model is unknown, or the default one cannot be loaded.
    """
    settings = settings or Settings()
    models = ServedModels(settings)
    store = Store(settings.data, settings.limits.max_stored_bytes)
    try:
        models.get(models.names[0])
    except BaseException:
        store.close()
        raise
    limits, metrics = settings.limits, Metrics()
    jobs = JobQueue(settings.workers, limits.max_waiting, limits.max_everything)
    pictures = Pictures(store, models, jobs, limits, metrics)
    ears = Ears(settings.speech, limits)
    sessions_ = Sessions(store, pictures, models, jobs, ears, limits)
    readers = ThreadPoolExecutor(2, thread_name_prefix="promptseg-body")
    videos_ = Videos(settings.data / "videos", limits)
    runs_ = LabelRuns(store, pictures, models, jobs, limits)
    server = Server(settings, store, models, jobs, pictures, videos_, sessions_, ears, runs_, metrics, readers)
    _watch(server)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        yield
        await runs_.close()
        for end in app.state.endings:
            end()
        readers.shutdown(wait=False, cancel_futures=True)
        jobs.close()
        store.close()

    app = FastAPI(
        title="promptseg",
        version=promptseg.__version__,
        summary="Promptable segmentation: prompts in, precise masks out.",
        description="Upload a picture once, prompt it many times. See docs/server.md.",
        license_info={"name": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.server = server
    app.state.endings = []  # what is called before the store is closed
    parts = (images, prompts, sessions, objects, data_sets, queue, runs, label_studio, speech, videos, about)
    for part in parts:
        app.include_router(part.router)
    app.include_router(static.static_router(static.studio()))
    _add_handlers(app)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match", ANNOTATOR],
            expose_headers=list(_EXPOSED),
        )
    app.add_middleware(GuardMiddleware, settings=settings, metrics=metrics)  # the last one added stands in front
    return app


def _watch(server: Server) -> None:
    watch = server.metrics.watch
    watch("jobs_pending", "Jobs that run or wait for a thread", lambda: server.jobs.pending)
    watch("searches", "Searches for everything that run or wait", lambda: server.jobs.long)
    watch("memory_bytes", "Pictures, embeddings and sessions in memory", lambda: server.pictures.memory.bytes)
    watch("images", "Stored pictures", lambda: server.store.usage()[0])
    watch("sessions", "Stored sessions", server.store.count_sessions)


def _add_handlers(app: FastAPI) -> None:
    async def on_http_error(request: Request, error: Any) -> Response:
        return _respond(error)

    async def on_error(request: Request, error: Any) -> Response:
        if isinstance(error, WeightsError):  # its message speaks of this machine's files
            _log.error("A model cannot be loaded: %s", error)
            return _respond(HttpError(503, "ModelError", "The model cannot be loaded now.", {"Retry-After": "60"}))
        return _respond(as_http_error(error))

    async def on_invalid(request: Request, error: Any) -> Response:
        return _respond(from_validation(error.errors()))

    async def on_http(request: Request, error: Any) -> Response:
        kinds = {404: "NotFoundError", 405: "MethodError"}
        message = str(error.detail)
        if error.status_code == 404:
            message = f"There is nothing at {request.url.path[:200]}. The interface is described in /openapi.json."
        if error.status_code == 405:
            message = f"{request.method} is not for this route; {(error.headers or {}).get('Allow', 'others')} is."
        return _respond(
            HttpError(error.status_code, kinds.get(error.status_code, "RequestError"), message, error.headers)
        )

    async def on_gone(request: Request, error: Any) -> Response:
        request.app.state.server.metrics.left.inc()
        return Response(status_code=499)  # reaches nobody

    async def on_cancelled(request: Request, error: Any) -> Response:
        return _respond(busy("The work was stopped. Try again."))

    async def on_fault(request: Request, error: Any) -> Response:
        return _respond(HttpError(500, "ServerError", "The server has a fault. Its log tells more."))

    app.add_exception_handler(HttpError, on_http_error)
    app.add_exception_handler(PromptsegError, on_error)
    app.add_exception_handler(MemoryError, on_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Gone, on_gone)
    app.add_exception_handler(Cancelled, on_cancelled)
    app.add_exception_handler(Exception, on_fault)


def _respond(error: HttpError) -> Response:
    return Response(error.content, error.status, error.headers, "application/json")
