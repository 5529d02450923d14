"""Routes that take nothing but strict JSON as a body."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from promptseg.server import strict
from promptseg.server.http_errors import HttpError

THREAD_BYTES = 262_144
"""Smaller bodies are parsed at once, larger ones beside the event loop."""


class StrictRequest(Request):
    """A request whose JSON was parsed strictly."""

    async def json(self) -> Any:
        """Returns the parsed body."""
        return self.state.parsed


class StrictRoute(APIRoute):
    """Parses bodies by `strict.parse`, and refuses those that say they are something else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps the route's handler."""
        handler = super().get_route_handler()
        takes_json = self.body_field is not None

        async def handle(request: Request) -> Response:
            if not takes_json:
                return await handler(request)
            strictly = StrictRequest(request.scope, request.receive)
            await _parse(strictly)
            return await handler(strictly)

        return handle


async def _parse(request: Request) -> None:
    content = await request.body()
    if not content:
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HttpError(
            415,
            "MediaTypeError",
            f"This route takes Content-Type: application/json, got {kind[:80] or 'none'!r}.",
        )
    depth = request.app.state.server.settings.limits.max_json_depth
    if len(content) < THREAD_BYTES:
        request.state.parsed = strict.parse(content, depth)
    else:
        request.state.parsed = await asyncio.to_thread(strict.parse, content, depth)
