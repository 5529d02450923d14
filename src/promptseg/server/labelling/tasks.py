"""Pictures of Label Studio's tasks: from the task itself, or from the one Label Studio that the settings name."""

import base64
import binascii
import logging
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import httpx

from promptseg.errors import ImageError
from promptseg.server.http_errors import HttpError, too_large
from promptseg.server.settings import LabelStudio, Limits

_log = logging.getLogger("promptseg.server")

ROOTS = ("/data/", "/tasks/", "/storage-data/")
"""Where Label Studio serves pictures. Nothing else of it is ever asked for."""


async def picture_bytes(
    address: Any, source: LabelStudio, limits: Limits, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[bytes, str]:
    """Returns the file of a task's picture, and its name.

    An address on the network is refused unless it lies on the Label Studio of the settings: a server that fetches what
    it is told to would let anyone look into its network.

    Args:
        address: what the task says: a `data:` address, `/data/upload/...`, or that with Label Studio's own address.
        source: the Label Studio.
        limits: what a picture may be.
        transport: for tests.

    Raises:
        ImageError: the address is refused, or there is no picture.
        HttpError: 413, the picture is too large.
    """
    if not isinstance(address, str):
        raise ImageError("The task names no picture under the key of the labelling interface.")
    if address.startswith("data:"):
        return _from_data(address, limits), ""
    path = _path(address, source)
    name = urlsplit(path).path.rpartition("/")[2][:200]
    headers = {} if source.token is None else {"Authorization": f"Token {source.token}"}
    parts: list[bytes] = []
    total = 0
    try:
        async with (
            httpx.AsyncClient(timeout=limits.request_seconds, transport=transport, trust_env=False) as client,
            client.stream("GET", f"{(source.url or '').rstrip('/')}{path}", headers=headers) as answer,
        ):
            if answer.status_code != 200:
                raise ImageError(
                    f"Label Studio answered {answer.status_code} for the picture of the task. "
                    "Is LABEL_STUDIO_TOKEN right?"
                )
            async for part in answer.aiter_bytes():
                total += len(part)
                if total > limits.max_upload_bytes:
                    raise too_large(f"The picture has more than {limits.max_upload_bytes:,} bytes.")
                parts.append(part)
    except httpx.HTTPError as error:
        _log.warning("Label Studio cannot be reached: %s", error)
        raise HttpError(503, "UpstreamError", "Label Studio cannot be reached now.", {"Retry-After": "5"}) from error
    return b"".join(parts), name


def _from_data(address: str, limits: Limits) -> bytes:
    head, _, content = address.partition(",")
    try:
        data = base64.b64decode(content, validate=True) if head.endswith(";base64") else unquote_to_bytes(content)
    except (binascii.Error, ValueError) as error:
        raise ImageError(f"The task's data: address is not base64: {error}.") from error
    if len(data) > limits.max_upload_bytes:
        raise too_large(f"The picture has {len(data):,} bytes; the limit is {limits.max_upload_bytes:,}.")
    return data


def _path(address: str, source: LabelStudio) -> str:
    """Returns the path on the Label Studio of the settings.

    Raises:
        ImageError: the address lies elsewhere.
    """
    if source.url is None:
        raise ImageError(
            "This server fetches no pictures. Start it with --label-studio URL to let it fetch those of your Label "
            "Studio."
        )
    base, given = urlsplit(source.url), urlsplit(address)
    foreign = (given.scheme or given.netloc) and (given.scheme, given.netloc) != (base.scheme, base.netloc)
    path = given.path
    prefix = base.path.rstrip("/")
    if prefix and path.startswith(f"{prefix}/"):
        path = path[len(prefix) :]
    if foreign or not path.startswith(ROOTS) or ".." in path or "\\" in address or "%2e" in path.lower():
        raise ImageError(
            f"The picture at {address[:80]!r} is not one of {source.url}{ROOTS[0]}..., and nothing else is fetched."
        )
    return path + (f"?{given.query}" if given.query else "")
