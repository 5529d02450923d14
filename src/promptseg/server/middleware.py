"""The middleware in front of the application: hosts, origins, token, size and time of bodies, headers of every answer.

Plain ASGI. Nothing reaches a route before its body has arrived whole and within the limits.
"""

import asyncio
import base64
import binascii
import hmac
import secrets
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from promptseg.server.connections import client_of
from promptseg.server.http_errors import HttpError, busy, too_large
from promptseg.server.metrics import Metrics
from promptseg.server.settings import LOOPBACK, MIB, Limits, Settings

UPLOADS = ("/v1/images", "/v1/videos", "/v1/import")
ANNOTATOR = "x-promptseg-annotator"
"""The header in which a client says who works, percent-encoded; a token of one's own goes before it."""

GUARDED = ("/v1", "/metrics", "/openapi.json", "/label-studio")
"""Paths, with what is below them, that demand the token. The studio and /healthz do not."""

_MULTIPART_ROOM = 65_536
_NAME_BYTES, _NAME_LETTERS = 1200, 100
_SMALL = MIB
_ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class GuardMiddleware:
    """ASGI middleware around the whole application; it refuses what may not come in.

    Args:
        app: the application.
        settings: token, origins and limits.
        metrics: what is counted.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._limits = settings.limits
        self._requests: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        metrics.watch("pending_bytes", "Bodies that are received or worked on", self._bytes.total)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:  # there are no web sockets
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.perf_counter()
        status = 0
        request_id = secrets.token_hex(8)

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _ISOLATION.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Request-Id"] = request_id
            await send(message)

        client = client_of(scope)
        self._requests[client] += 1
        held = _BodyBytes(self, client)
        try:
            try:
                self._admit(scope, client)
                body = await self._body(scope, receive, held)
            except HttpError as error:
                await _refuse(error, dressed)
            except _ClientLeft:
                self._metrics.left.inc()
            else:
                await self._app(scope, _replay(body, receive), dressed)
        except asyncio.CancelledError:  # the server stops, and has waited for long enough
            if not status:
                await _refuse(busy("The server is stopping."), dressed)
        finally:
            held.release()
            _count_off(self._requests, client, 1)
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            self._metrics.request_seconds.labels(method, route).observe(time.perf_counter() - begin)

    def _admit(self, scope: Scope, client: str) -> None:
        """Refuses a request by its head."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._settings.guarded and not _is_local(host):
            # A page of a foreign site could otherwise reach this machine under a name that it controls.
            raise HttpError(
                403, "OriginError", f"This server answers to localhost and 127.0.0.1, not to {host[:80]!r}."
            )
        origin = headers.get("origin")
        if origin is not None and _place(origin) != host and origin not in self._settings.origins:
            raise HttpError(
                403,
                "OriginError",
                f"Pages of {origin[:80]!r} may not use this server. Start it with --allow-origin to let them.",
            )
        path: str = scope["path"]
        guarded = any(path == root or path.startswith(f"{root}/") for root in GUARDED)
        preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        scope["annotator"] = unquote(headers.get(ANNOTATOR, "")[:_NAME_BYTES])[:_NAME_LETTERS].strip()
        if self._settings.guarded and guarded and not preflight:
            scope["annotator"] = self._check_token(headers.get("authorization", "")) or scope["annotator"]
        limit = self._limits.max_requests
        if self._requests.total() > limit or self._requests[client] > self._limits.share(limit):
            raise busy("The server has too many requests at a time. Try again soon.")

    def _check_token(self, given: str) -> str:
        """Returns whose token it is: an annotator's name, or nothing."""
        scheme, _, value = given.partition(" ")
        if scheme.lower() == "basic":  # Label Studio sends nothing else; the user name is of no account
            try:
                value = base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2]
            except (binascii.Error, ValueError):
                value = ""
        elif scheme.lower() != "bearer":
            value = ""
        content = value.strip().encode("utf-8", "replace")
        common = self._settings.token
        tokens = {**({} if common is None else {"": common}), **self._settings.annotators}
        # All of them, so that the time tells nothing.
        fitting = [name for name, token in tokens.items() if hmac.compare_digest(content, token.encode())]
        if not fitting:
            raise HttpError(
                401,
                "TokenError",
                "This server wants its token: send the header 'Authorization: Bearer TOKEN'.",
                {"WWW-Authenticate": "Bearer"},
            )
        return fitting[0]

    async def _body(self, scope: Scope, receive: Receive, held: "_BodyBytes") -> bytes:
        upload = scope["method"] == "POST" and scope["path"] in UPLOADS
        most = self._limits.max_upload_bytes + _MULTIPART_ROOM if upload else self._limits.max_json_bytes
        length = Headers(scope=scope).get("content-length")
        if length is not None:
            if not (length.isascii() and length.isdigit()):
                raise HttpError(400, "LengthError", f"Content-Length must be a number, got {length[:40]!r}.")
            _within(int(length), most)
        limits = self._limits
        try:
            async with asyncio.timeout(min(limits.body_seconds, limits.head_seconds)) as clock:
                return await _collect(receive, most, held, clock, limits)
        except TimeoutError as error:
            raise HttpError(
                408,
                "TimeoutError",
                f"The body did not arrive within {limits.body_seconds:g} s, or came more slowly than "
                f"{limits.body_rate:,} bytes a second.",
            ) from error

    def reserve(self, client: str, count: int, total: int) -> None:
        """Counts bytes of a body that has `total` by now.

        Raises:
            HttpError: 503, they are too many, all requests or those of the client together.
        """
        most = self._limits.max_pending_bytes
        if total > _SMALL:
            most -= most // 8  # so that large bodies never keep small ones out
        if self._bytes.total() + count > most or self._bytes[client] + count > self._limits.share(most):
            raise busy("The server is receiving too much at a time. Try again soon.", seconds=2)
        self._bytes[client] += count

    def free(self, client: str, count: int) -> None:
        """Counts bytes off."""
        _count_off(self._bytes, client, count)


class _ClientLeft(Exception):
    """The client has left before its body was there."""


class _BodyBytes:
    """The bytes of one body that are counted."""

    def __init__(self, guard: GuardMiddleware, client: str) -> None:
        self._guard, self._client, self._count = guard, client, 0

    def take(self, total: int) -> None:
        """Counts up to `total`."""
        if total > self._count:
            self._guard.reserve(self._client, total - self._count, total)
            self._count = total

    def release(self) -> None:
        """Counts everything off."""
        self._guard.free(self._client, self._count)
        self._count = 0


def _within(count: int, most: int) -> int:
    if count > most:
        raise too_large(f"The body has {count:,} bytes; this route takes at most {most:,}.")
    return count


async def _collect(receive: Receive, most: int, held: _BodyBytes, clock: asyncio.Timeout, limits: Limits) -> bytes:
    """Takes a body as it comes; every part puts the deadline off by what it may take at the least rate."""
    begin = asyncio.get_running_loop().time()
    parts: list[bytes] = []
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeft
        part = message.get("body", b"")
        total = _within(total + len(part), most)
        held.take(total)
        clock.reschedule(begin + min(limits.body_seconds, limits.head_seconds + total / limits.body_rate))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body in one piece, then whatever comes after it: that the client leaves."""
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message


async def _refuse(error: HttpError, send: Send) -> None:
    content = error.content
    headers = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "connection": "close",  # the rest of the body is not read
        **error.headers,
    }
    raw = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


def _count_off(counts: Counter[str], client: str, count: int) -> None:
    counts[client] -= count
    if not counts[client]:
        del counts[client]  # clients come and go


def _place(origin: str) -> str | None:
    """Returns host and port of an origin; None: it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _is_local(host: str) -> bool:
    try:
        return (urlsplit(f"//{host}").hostname or "") in LOOPBACK
    except ValueError:
        return False


_METHODS: Iterable[Any] = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
