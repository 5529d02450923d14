"""What goes wrong, as HTTP: every error of every route has one body, `{"error": {"type": ..., "message": ...}}`."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from promptseg.errors import InputError, OutputError, PromptsegError, UnavailableError, shorten


class HttpError(Exception):
    """An answer other than success.

    Attributes:
        status: of HTTP.
        kind: the `type` in the body.
        message: what was given, what was expected, what to do.
        headers: further headers of the answer.
        version: of the objects that are stored, where a save did not fit them.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        version: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.headers = status, kind, message, dict(headers or {})
        self.version = version

    @property
    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        version = {} if self.version is None else {"version": self.version}
        return {"error": {"type": self.kind, "message": self.message, **version}}

    @property
    def content(self) -> bytes:
        """The body as bytes; characters that UTF-8 cannot hold are replaced."""
        return json.dumps(self.body, ensure_ascii=False).encode("utf-8", "replace")


def not_found(what: str) -> HttpError:
    """There is no such thing."""
    return HttpError(404, "NotFoundError", what)


def too_large(message: str) -> HttpError:
    """More than a limit allows."""
    return HttpError(413, "TooLargeError", message)


def unsupported(message: str) -> HttpError:
    """The model cannot do it."""
    return HttpError(422, "UnsupportedError", message)


def busy(message: str, *, seconds: int = 1) -> HttpError:
    """The server has enough to do."""
    return HttpError(503, "BusyError", message, {"Retry-After": str(seconds)})


def overdue(seconds: float) -> HttpError:
    """The job took too long."""
    return HttpError(
        503,
        "DeadlineError",
        f"This took more than {seconds:g} s and was stopped. Try again later, or ask for less.",
        {"Retry-After": "5"},
    )


def as_http_error(error: Exception) -> HttpError:
    """Turns an error of promptseg into an answer. What is no fault of the client is not told in detail."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, UnavailableError):
        return unsupported(str(error))
    if isinstance(error, InputError):
        return HttpError(422, type(error).__name__, str(error))
    if isinstance(error, MemoryError):
        return busy("There is not enough memory for this now. Use a smaller picture, or try again.", seconds=5)
    if isinstance(error, OutputError):
        return HttpError(503, "StorageError", "The server cannot write its data now.", {"Retry-After": "30"})
    if isinstance(error, PromptsegError):
        return HttpError(422, type(error).__name__, str(error))
    raise error


def from_validation(errors: Iterable[Mapping[str, Any]]) -> HttpError:
    """Says what a request's JSON or query has wrong, from pydantic's list."""
    # Where several shapes were possible, the one that fits farthest is what was meant.
    first = max(errors, key=lambda error: len(error["loc"]))
    place = ".".join(part for part in map(str, first["loc"]) if "[" not in part) or "body"
    given = first.get("input")
    shown = "" if isinstance(given, dict | list) or first["type"] == "missing" else f", got {shorten(given)}"
    return HttpError(422, "SchemaError", f"{place}: {first['msg']}{shown}. See /openapi.json.")
