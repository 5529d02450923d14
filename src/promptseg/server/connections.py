"""Connections: who says nothing, sends too slowly or reads too slowly is let go, and nobody holds them all.

uvicorn's protocol for HTTP with time limits and shares. A connection is idle while no request of it is being answered.
"""

import asyncio
import ipaddress
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from promptseg.server.dependencies import Server
from promptseg.server.settings import Limits

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b'Content-Length: 84\r\n\r\n{"error": {"type": "BusyError", "message": "Too many connections. Try again soon."}}'
)


def client_of(scope: Mapping[str, Any]) -> str:
    """Returns whom a connection or request counts for: an IPv4 address, or the network of 64 bits of an IPv6 one."""
    host = str((scope.get("client") or ("",))[0])
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return host


class GuardedProtocol(H11Protocol):
    """A connection within the limits of a server; `of` makes the class for them."""

    _limits = Limits()
    _begun = 0.0
    _host = ""
    _open: "set[GuardedProtocol]"
    _timer: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, app: FastAPI) -> "type[GuardedProtocol]":
        """Returns the protocol for a server."""
        server: Server = app.state.server
        made = type("LimitedProtocol", (cls,), {"_limits": server.limits, "_open": set[GuardedProtocol]()})
        server.metrics.watch("connections", "Open connections", lambda: len(made._open))
        return made

    @property
    def _idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection, if need be in place of the one that has been idle for longest."""
        super().connection_made(transport)
        self._begun = self.loop.time()
        self._await_head()
        self._host = client_of({"client": self.client})
        everybody = list(self._open)
        self._open.add(self)
        self._find_room(
            [one for one in everybody if one._host == self._host], self._limits.share(self._limits.max_connections)
        )
        self._find_room(everybody, self._limits.max_connections)

    def _find_room(self, others: "list[GuardedProtocol]", most: int) -> None:
        others = [one for one in others if not one.transport.is_closing()]
        if len(others) < most or self.transport.is_closing():
            return
        oldest = min((one for one in others if one._idle), key=_begun, default=None)
        if oldest is not None:
            oldest.transport.abort()
        else:
            self.transport.write(_FULL)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self._open.discard(self)
        self._stop("_timer")
        self._stop("_writing")
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes bytes; the time for a head does not begin anew with each of them."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self._idle:
            self._stop("_timer")
        elif self._timer is None and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self._await_head()

    def on_response_complete(self) -> None:
        """Begins to be idle."""
        self._begun = self.loop.time()
        super().on_response_complete()

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(self._limits.head_seconds, self._too_late)

    def _too_late(self) -> None:
        self._timer = None
        if self._idle and not self.transport.is_closing():
            self.transport.close()

    def pause_writing(self) -> None:
        """The client reads more slowly than is written: from now on its rate is watched."""
        super().pause_writing()
        if self._writing is None:
            self._watch_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has read."""
        self._stop("_writing")
        super().resume_writing()

    def _watch_reader(self, waiting: int) -> None:
        def check() -> None:
            left = self.transport.get_write_buffer_size()
            if waiting - left < self._limits.body_rate * self._limits.head_seconds and left:
                self.transport.abort()
            else:
                self._watch_reader(left)

        self._writing = self.loop.call_later(self._limits.head_seconds, check)

    def _stop(self, name: str) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)


def _begun(connection: GuardedProtocol) -> float:
    return connection._begun  # pyright: ignore[reportPrivateUsage]
