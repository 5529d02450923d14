"""Servers in a thread, spoken to over real connections."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from promptseg.runtimes.options import EngineOptions
from promptseg.server.app import create_app
from promptseg.server.connections import GuardedProtocol
from promptseg.server.dependencies import Server
from promptseg.server.settings import Settings

ONE_THREAD = (EngineOptions(runtime="onnx", threads=1),)
"""The models of a small server."""


PATIENCE = 120.0
"""Seconds that tests wait for what must happen, on the slowest machine."""


def until(done: Callable[[], bool]) -> None:
    """Waits for something."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "it did not happen"


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    url: str
    http: httpx.Client
    parts: Server

    def metric(self, name: str) -> float:
        """Reads a number of /metrics, without a request that would count."""
        lines = self.parts.metrics.text().decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), 0.0)

    def upload(self, content: bytes, **query: str) -> dict[str, Any]:
        answer = self.http.post(
            "/v1/images",
            content=content,
            params={"embed": "false", **query},
            headers={"Content-Type": "application/octet-stream"},
        )
        assert answer.is_success, answer.text
        return answer.json()


@contextlib.contextmanager
def run(settings: Settings) -> Iterator[Running]:
    app = create_app(settings)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)  # from here on connections wait until the server takes them
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=GuardedProtocol.of(app),
            log_level="critical",
            lifespan="on",
            ws="none",
            timeout_keep_alive=600,
            timeout_graceful_shutdown=5,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        url = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(base_url=url, timeout=600) as client:
                yield Running(url, client, app.state.server)
        finally:
            server.should_exit = True
            thread.join()


def failure(answer: httpx.Response, status: int, kind: str) -> str:
    """Checks an error and returns its message."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["type"] == kind, error
    assert answer.headers["content-type"] == "application/json"
    return error["message"]


def connect(server: Running) -> socket.socket:
    """Opens a connection of its own."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def rest(connection: socket.socket) -> bytes:
    """Returns all that comes until the server lets go."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            answer += part
    return answer
