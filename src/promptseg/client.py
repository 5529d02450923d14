"""A small client of `promptseg serve`: the same prompts in, `Segments` out.

from promptseg import Point
from promptseg.client import Client

with Client("http://127.0.0.1:8765") as client:
    image = client.upload("dog.jpg")
    cut = client.segment(image, [Point(320, 210), Point(90, 40, positive=False)])
"""

import base64
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from promptseg.errors import (
    FormatError,
    ImageError,
    InputError,
    PromptError,
    PromptsegError,
    ServerError,
    UnavailableError,
)
from promptseg.geometry import Size
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.notes import note
from promptseg.prompts.request import Granularity, Prompts, Request
from promptseg.prompts.speech import check_recording
from promptseg.prompts.types import Audio, Point, Prompt, Text

if TYPE_CHECKING:
    import httpx

_INPUT_ERRORS = {kind.__name__: kind for kind in (InputError, ImageError, PromptError, FormatError)}


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """A picture that the server has."""

    id: str
    width: int
    height: int
    name: str = ""

    @property
    def size(self) -> Size:
        """Height and width."""
        return Size(self.height, self.width)


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """How far a search is: points done of points in all."""

    done: int
    total: int


class Client:
    """Speaks to one server. Close it, or use it in a `with` block.

    Args:
        url: where the server is.
        token: its token, if it has one.
        timeout: seconds to wait for an answer.
        retries: how often to try again when the server is busy (503), waiting as long as it asks.
        transport: an httpx transport, for tests.

    Raises:
        UnavailableError: httpx is not installed.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8765",
        *,
        token: str | None = None,
        timeout: float = 120.0,
        retries: int = 3,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        try:
            import httpx
        except ImportError as error:
            raise UnavailableError.extra("httpx", "server") from error
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._failures = (httpx.TransportError,)
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def health(self) -> dict[str, Any]:
        """Returns what `/healthz` says."""
        return self._json("GET", "/healthz")

    def models(self) -> dict[str, Any]:
        """Returns the models that the server has."""
        return self._json("GET", "/v1/models")

    def upload(
        self,
        image: "str | Path | bytes",
        *,
        name: str = "",
        embed: bool = True,
        page: int | None = None,
        channels: Sequence[int] | None = None,
        levels: str | tuple[float, float] = "auto",
    ) -> RemoteImage:
        """Uploads a picture file, given by its path or its bytes.

        Args:
            image: the file.
            name: a name for bytes; a path brings its own.
            embed: whether the server should embed it at once.
            page: which page or frame, `channels` and `levels`: how it is read, as `Image.open` has them.
            channels: see there.
            levels: see there.

        Raises:
            ImageError: it cannot be read.
            ServerError: the server refuses.
        """
        if isinstance(image, bytes):
            content = image
        else:
            name = name or Path(image).name
            try:
                content = Path(image).read_bytes()
            except OSError as error:
                raise ImageError(f"{image} cannot be read: {error.strerror or error}. Check the path.") from error
        answer = self._json(
            "POST",
            "/v1/images",
            content=content,
            params={"name": name, "embed": "true" if embed else "false", **_reading(page, channels, levels)},
            headers={"Content-Type": "application/octet-stream"},
        )
        for text in answer["notes"]:
            note(text)
        return _image(answer)

    def images(self) -> list[RemoteImage]:
        """Lists the server's pictures, oldest first."""
        return [_image(record) for record in self._json("GET", "/v1/images")["images"]]

    def delete(self, image: RemoteImage) -> None:
        """Deletes a picture with its objects and sessions."""
        self._request("DELETE", f"/v1/images/{image.id}")

    def segment(
        self, image: RemoteImage, prompts: Prompts, *, granularity: Granularity = "auto", model: str | None = None
    ) -> Segments:
        """Segments the objects that the prompts speak of; see `Segmenter.segment`.

        Raises:
            PromptError: a prompt is malformed or does not fit the picture or the model.
            ServerError: the server refuses.
        """
        objects = Request.of(prompts).objects
        body = {"prompts": [list(map(_sent, parts)) for parts in objects], "granularity": granularity, "model": model}
        answer = self._json("POST", f"/v1/images/{image.id}/segment", json=body)
        return _segments(image, answer["masks"], objects)

    def everything(self, image: RemoteImage, **options: Any) -> Segments:
        """Finds all masks; options are those of `EverythingOptions`. See `iter_everything` for progress."""
        parts = [part for part in self.iter_everything(image, **options) if isinstance(part, Segments)]
        return Segments.concatenate([Segments.empty(image.size), *parts])

    def iter_everything(self, image: RemoteImage, **options: Any) -> Iterator[Segments | SearchProgress]:
        """Yields masks as they become certain, and progress between them.

        Raises:
            InputError: an option is wrong.
            ServerError: the server refuses, or the stream is cut.
        """
        request = self._http.build_request("POST", f"/v1/images/{image.id}/everything", json={"options": options})
        with self._sent(request, stream=True) as response:
            for line in response.iter_lines():
                record: dict[str, Any] = json.loads(line)
                if record["type"] == "progress":
                    yield SearchProgress(record["done"], record["total"])
                elif record["type"] == "masks":
                    yield _segments(image, record["masks"])
                elif record["type"] == "done":
                    return
                else:
                    raise _error(record, 503, None)
        raise ServerError("The server's answer was cut off. Ask again.")

    def session(self, image: RemoteImage, *, model: str | None = None) -> "RemoteSession":
        """Begins a dialogue; see `Session`."""
        answer = self._json("POST", "/v1/sessions", json={"image": image.id, "model": model})
        return RemoteSession(self, image, answer)

    def restore(self, session: str) -> "RemoteSession":
        """Goes on with the dialogue of that id."""
        answer = self._json("GET", f"/v1/sessions/{session}")
        return RemoteSession(self, _image(answer["image"]), answer)

    def embedding(self, image: RemoteImage, *, model: str | None = None) -> npt.NDArray[np.float16]:
        """Returns the embedding of a picture, (1, 256, 64, 64)."""
        params = {"dtype": "float16", **({} if model is None else {"model": model})}
        response = self._request("GET", f"/v1/images/{image.id}/embedding", params=params)
        shape = [int(side) for side in response.headers["X-Promptseg-Shape"].split(",")]
        return np.frombuffer(response.content, "<f2").reshape(shape).astype(np.float16, copy=False)

    def objects(self, image: RemoteImage) -> dict[str, Any]:
        """Returns the stored objects: `{"version": ..., "updated": ..., "objects": [...]}`."""
        return self._json("GET", f"/v1/images/{image.id}/objects")

    def put_objects(
        self, image: RemoteImage, objects: Sequence[Mapping[str, Any]], *, base_version: int | None = None
    ) -> int:
        """Replaces the stored objects and returns the new version.

        Raises:
            ServerError: they were changed since `base_version` (status 409), or the server refuses.
        """
        body = {"objects": [dict(item) for item in objects], "base_version": base_version}
        return self._json("PUT", f"/v1/images/{image.id}/objects", json=body)["version"]

    def export(self, image: RemoteImage, form: str, **options: str | float) -> bytes:
        """Returns the stored objects as a label file; see docs/server.md for the formats and `coco`, `tolerance`."""
        return self._request("POST", f"/v1/images/{image.id}/export", params={"format": form, **options}).content

    def import_labels(self, image: RemoteImage, form: str, record: Mapping[str, Any] | str) -> list[dict[str, Any]]:
        """Reads a label file as objects, which are not stored yet: coco, labelme or sa1b, or yolo's text."""
        route, content = f"/v1/images/{image.id}/import", {"text": record} if isinstance(record, str) else dict(record)
        answer = self._json("POST", route, params={"format": form}, json=content)
        for text in answer["notes"]:
            note(text)
        return answer["objects"]

    def change(self, session: str, way: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Posts to a session: what `RemoteSession` is made of."""
        return self._json("POST", f"/v1/sessions/{session}/{way}", json=dict(body))

    def _json(self, method: str, url: str, **options: Any) -> Any:
        return self._request(method, url, **options).json()

    def _request(self, method: str, url: str, **options: Any) -> "httpx.Response":
        for attempt in range(self._retries + 1):
            try:
                return self._sent(self._http.build_request(method, url, **options))
            except ServerError as error:
                if error.retry_after is None or attempt == self._retries:
                    raise
                time.sleep(error.retry_after)
        raise AssertionError("the last attempt returns or raises")

    def _sent(self, request: "httpx.Request", *, stream: bool = False) -> Any:
        try:
            response = self._http.send(request, stream=stream)
            if response.is_success:
                return response if not stream else closing(response)
            response.read()
        except self._failures as error:
            raise ServerError(f"{request.url} cannot be reached: {error}. Is `promptseg serve` running?") from error
        wait = response.headers.get("Retry-After") if response.status_code == 503 else None
        try:
            body = response.json()
        except ValueError:
            body = {}
        raise _error(body, response.status_code, None if wait is None else float(wait))


class RemoteSession:
    """A dialogue on the server: every prompt corrects the mask so far. See `Session`."""

    def __init__(self, client: Client, image: RemoteImage, answer: Mapping[str, Any]) -> None:
        self._client, self.image = client, image
        self._answer = answer

    @property
    def id(self) -> str:
        """The session's id, for `Client.restore`."""
        return self._answer["id"]

    @property
    def segments(self) -> Segments:
        """The masks of all objects."""
        return _segments(self.image, self._answer["masks"])

    @property
    def can_undo(self) -> bool:
        """Whether there is a round to take back."""
        return self._answer["can_undo"]

    @property
    def can_redo(self) -> bool:
        """Whether a round was taken back and nothing was added since."""
        return self._answer["can_redo"]

    def add(self, *prompts: Prompt, object_id: int = 0, granularity: Granularity = "auto") -> Segments:
        """Adds a round; see `Session.add`."""
        given = list(map(_sent, prompts))
        return self._do("prompts", {"prompts": given, "object_id": object_id, "granularity": granularity})

    def undo(self) -> Segments:
        """Takes the last round back."""
        return self._do("undo")

    def redo(self) -> Segments:
        """Brings it again."""
        return self._do("redo")

    def reset(self) -> Segments:
        """Forgets all rounds."""
        return self._do("reset")

    def _do(self, way: str, body: Mapping[str, Any] | None = None) -> Segments:
        self._answer = self._client.change(self.id, way, body or {})
        return self.segments


def _reading(
    page: int | None, channels: Sequence[int] | None, levels: str | tuple[float, float]
) -> dict[str, str | int]:
    """Returns how a picture is read, as an address says it."""
    given = {
        "page": page,
        "channels": None if channels is None else ",".join(map(str, channels)),
        "levels": levels if isinstance(levels, str) else ",".join(map(str, levels)),
    }
    return {name: value for name, value in given.items() if value not in (None, "auto")}


def _sent(prompt: Prompt) -> dict[str, Any]:
    """Returns a prompt as the server takes it; a recording is read and comes along."""
    if not isinstance(prompt, Audio):
        return prompt.to_json()
    if prompt.phrase is not None:
        return Text(prompt.phrase).to_json()
    check_recording(prompt.file)
    try:
        data = base64.b64encode(Path(prompt.file).read_bytes()).decode()
    except OSError as error:
        raise PromptError(f"The recording {prompt.file} cannot be read: {error.strerror or error}.") from error
    return {"type": prompt.kind, "file": {"data": data}, "language": prompt.language}


def _image(record: Mapping[str, Any]) -> RemoteImage:
    return RemoteImage(record["id"], record["width"], record["height"], record.get("name", ""))


def _segments(
    image: RemoteImage, masks: Sequence[Mapping[str, Any]], objects: Sequence[tuple[Prompt, ...]] | None = None
) -> Segments:
    stabilities = [mask["stability_score"] for mask in masks]
    crops = [mask.get("crop_box") for mask in masks]
    return Segments(
        image.size,
        tuple(RLE.from_coco(mask["segmentation"]) for mask in masks),
        scores=np.array([mask["score"] for mask in masks], np.float32),
        labels=tuple(mask["label"] for mask in masks),
        prompts=tuple(_prompts(mask, objects) for mask in masks),
        object_ids=np.array([mask["object_id"] for mask in masks], np.int64),
        granularities=tuple(mask["granularity"] for mask in masks),
        stability_scores=_floats(stabilities),
        crop_boxes=_floats(crops),
        margins=_floats([mask.get("margin") for mask in masks]),
    )


def _floats(values: Sequence[Any]) -> Any:
    return np.array(values, np.float32) if values and all(value is not None for value in values) else None


def _prompts(mask: Mapping[str, Any], objects: Sequence[tuple[Prompt, ...]] | None) -> tuple[Prompt, ...] | None:
    if objects is not None:
        return objects[mask["object_id"]]
    points = mask.get("points")
    return None if points is None else tuple(Point(x, y) for x, y in points)


def _error(body: Any, status: int, retry_after: float | None) -> PromptsegError:
    detail = body.get("error", {}) if isinstance(body, dict) else {}
    message = detail.get("message", f"The server answered with status {status}.")
    kind = detail.get("type", "")
    if kind in _INPUT_ERRORS:
        return _INPUT_ERRORS[kind](message)
    if kind in ("SchemaError", "UnsupportedError"):
        return InputError(message)
    return ServerError(message, status, kind, retry_after)
