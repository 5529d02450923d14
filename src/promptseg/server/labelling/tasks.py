"""Pictures of Label Studio's tasks: from the task itself, or from the one Label Studio that the settings name."""

import asyncio
import base64
import binascii
import contextlib
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


_MOST_HOPS = 4


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
        return await asyncio.to_thread(_from_data, address, limits), ""
    path = _path(address, source)
    name = urlsplit(path).path.rpartition("/")[2][:200]
    try:
        async with httpx.AsyncClient(timeout=limits.request_seconds, transport=transport, trust_env=False) as client:
            return await _file(client, path, await _authorization(client, source), source, limits), name
    except httpx.HTTPError as error:
        _log.warning("Label Studio cannot be reached: %s", error)
        raise HttpError(503, "UpstreamError", "Label Studio cannot be reached now.", {"Retry-After": "5"}) from error


async def _file(
    client: httpx.AsyncClient, path: str, headers: dict[str, str], source: LabelStudio, limits: Limits
) -> bytes:
    """Returns a file of Label Studio, which may send on to another of its own places."""
    for _ in range(_MOST_HOPS):
        parts: list[bytes] = []
        total = 0
        async with client.stream("GET", f"{_base(source)}{path}", headers=headers) as answer:
            if answer.is_redirect:
                path = _next(answer, source)
                continue
            if answer.status_code != 200:
                hint = " Is LABEL_STUDIO_TOKEN right?" if answer.status_code in (401, 403) else ""
                raise ImageError(f"Label Studio answered {answer.status_code} for the picture of the task.{hint}")
            async for part in answer.aiter_bytes():
                total += len(part)
                if total > limits.max_upload_bytes:
                    raise too_large(f"The picture has more than {limits.max_upload_bytes:,} bytes.")
                parts.append(part)
        return b"".join(parts)
    raise ImageError("Label Studio sends on and on for the picture of the task.")


def _next(answer: httpx.Response, source: LabelStudio) -> str:
    """Returns the path that a redirect leads to.

    Raises:
        ImageError: it leads out of Label Studio, to a storage.
    """
    target = str(answer.url.join(answer.headers.get("Location", "")))
    try:
        return _path(target, source)
    except ImageError as error:
        place = urlsplit(target)
        raise ImageError(
            f"Label Studio sends on to {place.scheme}://{place.netloc} for the picture of the task, and nothing "
            "outside Label Studio is fetched. Switch off 'Use pre-signed URLs' in the storage's settings, so that "
            "Label Studio hands the pictures out itself."
        ) from error


async def _authorization(client: httpx.AsyncClient, source: LabelStudio) -> dict[str, str]:
    """Returns the header that shows who asks.

    A legacy token is shown as it is. A personal access token, a JSON Web Token, is exchanged for a short-lived one; a
    Label Studio that exchanges none knows only the first kind.

    Raises:
        ImageError: Label Studio does not take the token.
    """
    if source.token is None:
        return {}
    refused = 0
    for ending in ("/", "") if _is_personal(source.token) else ():
        answer = await client.post(f"{_base(source)}/api/token/refresh{ending}", json={"refresh": source.token})
        if answer.status_code in (200, 201):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return {"Authorization": f"Bearer {_plain(answer.json()['access'])}"}
        elif answer.status_code in (400, 401, 403):
            refused = answer.status_code
    if refused:
        raise ImageError(
            f"Label Studio answered {refused} for the personal access token. "
            "Is LABEL_STUDIO_TOKEN right, and not expired?"
        )
    return {"Authorization": f"Token {source.token}"}


def _plain(text: Any) -> str:
    """Returns a text that may stand in a header."""
    if not isinstance(text, str) or not (text.isascii() and text.isprintable()):
        raise ValueError
    return text


def _base(source: LabelStudio) -> str:
    return (source.url or "").rstrip("/")


def _is_personal(token: str) -> bool:
    """Returns whether a token has the three parts of a JSON Web Token."""
    head, *rest = token.split(".")
    return len(rest) == 2 and head.startswith("eyJ")


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
    try:
        base, given = urlsplit(source.url), urlsplit(address)
    except ValueError as error:
        raise ImageError(f"The picture's address {address[:80]!r} is no address: {error}.") from error
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
