"""Pictures: upload, list, display, delete, and the embedding itself."""

import asyncio
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from promptseg.images.bands import ReadingOptions
from promptseg.images.tiff import MOST_PAGES
from promptseg.server.answers import ImageBody, ImageList, UploadedBody
from promptseg.server.dependencies import ImagePath, ModelQuery, Server, ServerDep, binary, errors, json_answer
from promptseg.server.forms import file_of_form
from promptseg.server.http_errors import HttpError, unsupported
from promptseg.server.json_out import json_bytes
from promptseg.server.store import Picture, etag
from promptseg.server.strict import StrictRoute

router = APIRouter(prefix="/v1/images", tags=["pictures"], route_class=StrictRoute)

_FILE = {"type": "string", "format": "binary"}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _FILE},
            "image/jpeg": {"schema": _FILE},
            "image/png": {"schema": _FILE},
            "multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": {"file": _FILE}}},
        },
    }
}
_NAME_LETTERS = 200


def image_json(server: Server, picture: Picture) -> dict[str, Any]:
    """Returns the record of a picture."""
    return {
        "id": picture.id,
        "width": picture.width,
        "height": picture.height,
        "name": picture.name,
        "created": picture.created,
        "objects": picture.objects,
        "embedded": server.pictures.is_embedded(picture.id),
        "state": picture.state,
        "comment": picture.comment,
        "annotator": picture.annotator,
        "seconds": picture.seconds,
        "suggested": picture.suggested,
        "least": picture.least,
    }


@router.post(
    "",
    status_code=201,
    response_model=UploadedBody,
    responses={200: {"model": UploadedBody, "description": "It was there already."}, **errors(415)},
    openapi_extra=_UPLOAD,
)
async def upload(
    request: Request,
    server: ServerDep,
    name: Annotated[str, Query(max_length=_NAME_LETTERS, description="File name of a raw body.")] = "",
    embed: Annotated[bool, Query(description="Begin to embed it and to look at it for words at once.")] = True,
    page: Annotated[int | None, Query(ge=1, le=MOST_PAGES, description="Page or frame of the file, from 1.")] = None,
    channels: Annotated[
        str | None, Query(max_length=100, description="One channel (grey) or three, from 1.", examples=["4,3,2"])
    ] = None,
    levels: Annotated[
        str | None,
        Query(
            max_length=100,
            description="How deep numbers become 256 levels: auto, full, stretch, or the numbers of black and white.",
            examples=["stretch", "0,4095"],
        ),
    ] = None,
) -> Response:
    """Uploads a picture: the bytes of a JPEG, PNG, WebP, TIFF, BMP or GIF file, or a form with one part `file`.

    `notes` say what is good to know of the file: more pages or channels, numbers that use little of their range.
    """
    options = ReadingOptions.of_text(page, channels, levels)
    content, given = await _content(request)
    notes: list[str] = []
    adding = server.pictures.add(content, clean_name(given or name), options, notes.append)
    picture, new = await server.watch(request, adding)
    if embed:
        server.pictures.embed_ahead(picture)
    return JSONResponse({**image_json(server, picture), "notes": notes}, 201 if new else 200)


async def _content(request: Request) -> tuple[bytes, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/octet-stream" or kind.startswith("image/"):
        return await request.body(), ""
    if kind != "multipart/form-data":
        raise HttpError(
            415,
            "MediaTypeError",
            "Send a picture's bytes as application/octet-stream or image/..., or a form as multipart/form-data; "
            f"got {kind[:80] or 'no Content-Type'!r}.",
        )
    content = await request.body()
    return await asyncio.to_thread(file_of_form, content, request.headers["content-type"])


def clean_name(name: str) -> str:
    """Returns the last part of a file name, without what cannot be shown; it is never used as a path."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:_NAME_LETTERS]


@router.get("", response_model=ImageList, responses=errors())
async def list_images(server: ServerDep) -> Response:
    """Lists all pictures, oldest first."""

    def listed() -> bytes:
        return json_bytes({"images": [image_json(server, picture) for picture in server.store.pictures()]})

    return json_answer(await asyncio.to_thread(listed))


@router.get("/{image}", response_model=ImageBody, responses=errors(404))
async def get_image(server: ServerDep, image: ImagePath) -> Response:
    """Returns the record of a picture."""
    return JSONResponse(image_json(server, await server.pictures.record(image)))


@router.delete("/{image}", status_code=204, responses=errors(404))
async def delete_image(server: ServerDep, image: ImagePath) -> Response:
    """Deletes a picture with its objects and sessions."""
    await server.pictures.drop(image)
    return Response(status_code=204)


@router.get(
    "/{image}/file",
    response_class=Response,
    responses={**binary("image/*", "The picture, for display."), **errors(404)},
)
async def get_file(request: Request, server: ServerDep, image: ImagePath) -> Response:
    """Returns the uploaded file, or a PNG of it where browsers do not show its kind."""
    picture = await server.pictures.record(image)
    content, media = await server.watch(request, server.pictures.file(picture))
    return Response(content, media_type=media, headers=_FOREVER | {"ETag": etag("file", image)})


@router.get(
    "/{image}/thumbnail", response_class=Response, responses={**binary("image/jpeg", "A small picture."), **errors(404)}
)
async def get_thumbnail(
    request: Request, server: ServerDep, image: ImagePath, side: Annotated[int, Query(ge=32, le=512)] = 256
) -> Response:
    """Returns a small JPEG."""
    picture = await server.pictures.record(image)
    content = await server.watch(request, server.pictures.thumbnail(picture, side))
    return Response(content, media_type="image/jpeg", headers=_FOREVER)


@router.get(
    "/{image}/embedding",
    response_class=Response,
    responses={**binary("application/octet-stream", "The numbers, little-endian."), **errors(404)},
)
async def get_embedding(
    request: Request,
    server: ServerDep,
    image: ImagePath,
    dtype: Literal["float16", "float32"] = "float16",
    model: ModelQuery = None,
) -> Response:
    """Returns the embedding for decoding in the browser; headers say what it is."""
    picture = await server.pictures.record(image)
    card = server.models.card(model)
    if "graphs" not in card.abilities:
        raise unsupported(f"{card.name} has no embedding that a browser could decode. Use a model of the SAM family.")
    embedded = await server.watch(request, server.pictures.embedded(picture, card.name))
    features = embedded.features
    tag = etag("embedding", image, card.name, dtype, str(features.shape), server.models.digest(card.name))
    headers = {
        **_FOREVER,
        "ETag": tag,
        "X-Promptseg-Shape": ",".join(map(str, features.shape)),
        "X-Promptseg-Dtype": dtype,
        "X-Promptseg-Model": card.name,
        "X-Promptseg-Size": ",".join(map(str, embedded.frame.original)),
        "X-Promptseg-Resized": ",".join(map(str, embedded.frame.resized)),
    }
    headers["Cache-Control"] = "private, no-cache"  # other weights under the same name give another one
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    numbers = await server.compute(lambda job: _bytes(features, dtype))
    return Response(numbers, media_type="application/octet-stream", headers=headers)


def _bytes(features: Any, dtype: str) -> bytes:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(features, "<f2" if dtype == "float16" else "<f4").tobytes()


_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
