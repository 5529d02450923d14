"""The work on a picture: objects, classes, label files."""

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias
from urllib.parse import quote

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import TypeAdapter

from promptseg.formats.classes import class_names
from promptseg.formats.options import WriteOptions
from promptseg.formats.table import FORMATS
from promptseg.masks.records import HALF_A_PIXEL
from promptseg.notes import told
from promptseg.server import label_files
from promptseg.server.answers import ImportedBody, StoredObjectsBody, VersionBody
from promptseg.server.dependencies import AnnotatorDep, ImagePath, Server, ServerDep, errors, json_answer
from promptseg.server.http_errors import HttpError, not_found
from promptseg.server.jobs import Job
from promptseg.server.json_out import json_bytes
from promptseg.server.schemas import ClassesBody, CocoForm, ObjectBody, ObjectsBody, PutObjects
from promptseg.server.strict import StrictRoute

router = APIRouter(prefix="/v1", tags=["objects"], route_class=StrictRoute)

_OBJECTS: TypeAdapter[list[ObjectBody]] = TypeAdapter(list[ObjectBody])


@router.get("/images/{image}/objects", response_model=StoredObjectsBody, responses=errors(404))
async def get_objects(request: Request, server: ServerDep, image: ImagePath) -> Response:
    """Returns the stored objects of a picture; 304 to who has this version."""
    await server.pictures.record(image)

    def read() -> tuple[str, bytes]:
        stored = server.store.objects(image)
        text = f'{{"version": {stored.version}, "updated": "{stored.updated}", "objects": {stored.body}}}'
        return f'"{stored.version}"', text.encode("utf-8", "replace")

    tag, content = await asyncio.to_thread(read)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    answer = json_answer(content)
    answer.headers.update(headers)
    return answer


@router.put("/images/{image}/objects", response_model=VersionBody, responses=errors(404, 409, 412, 415))
async def put_objects(
    request: Request, server: ServerDep, annotator: AnnotatorDep, image: ImagePath, body: PutObjects
) -> Response:
    """Replaces the objects of a picture, all at once."""
    picture = await server.pictures.record(image)
    if body.image is not None and body.image != image:
        raise HttpError(
            412,
            "WrongPictureError",
            f"These are objects of the picture {body.image}, sent to {image}. Nothing was stored.",
            version=(await asyncio.to_thread(server.store.objects, image)).version,
        )

    def text(job: Job) -> str:
        return json.dumps(label_files.checked(body.objects, picture))

    content = await server.watch(request, server.compute(text))
    suggested = [item.score or 0.0 for item in body.objects if item.suggested]
    count = len(body.objects) - len(suggested)
    try:
        stored = await asyncio.to_thread(
            server.store.put_objects, image, content, count, body.base_version, annotator, suggested
        )
    except KeyError as error:
        raise not_found(f"The picture {image} was deleted meanwhile.") from error
    if stored is None:
        present = (await asyncio.to_thread(server.store.objects, image)).version
        raise HttpError(
            409,
            "ConflictError",
            f"The objects are no longer those of version {body.base_version}, but of version {present}. "
            "Get them, merge, and put them again.",
            version=present,
        )
    return JSONResponse({"version": stored.version, "updated": stored.updated, "count": len(body.objects)})


@router.get("/classes", response_model=ClassesBody, responses=errors())
async def get_classes(server: ServerDep) -> Response:
    """Returns the classes of the workspace."""
    return json_answer(await asyncio.to_thread(server.store.workspace, "classes") or '{"classes": []}')


@router.put("/classes", response_model=ClassesBody, responses=errors(415))
async def put_classes(server: ServerDep, body: ClassesBody) -> Response:
    """Replaces the classes of the workspace."""
    text = await asyncio.to_thread(lambda: json.dumps(body.model_dump()))
    await asyncio.to_thread(server.store.put_workspace, "classes", text)
    return json_answer(text)


if TYPE_CHECKING:
    ExportFormat: TypeAlias = str
    ImportFormat: TypeAlias = str
else:  # of the table, so that the OpenAPI document lists them
    ExportFormat = Literal[tuple(FORMATS)]
    ImportFormat = Literal[tuple(name for name, form in FORMATS.items() if form.reader)]


@router.post(
    "/images/{image}/export",
    response_class=Response,
    responses={
        200: {
            "description": "The label file, picture or archive.",
            "content": {
                media: {"schema": {} if media.endswith("json") else {"type": "string", "format": "binary"}}
                for media in sorted({form.media for form in FORMATS.values()})
            },
        },
        **errors(404, 415),
    },
)
async def export(
    request: Request,
    server: ServerDep,
    image: ImagePath,
    form: Annotated[ExportFormat, Query(alias="format")],
    coco: Annotated[CocoForm, Query(description="How COCO holds masks: rle is exact.")] = "rle",
    tolerance: Annotated[
        float, Query(ge=0, le=1000, description="Pixels that polygons may lie off the outlines; 0 is exact.")
    ] = HALF_A_PIXEL,
    body: ObjectsBody | None = None,
) -> Response:
    """Writes a label file of the stored objects, or of those in the body."""
    picture = await server.pictures.record(image)
    chosen: Sequence[ObjectBody] | None = None if body is None else body.objects

    def work(job: Job) -> tuple[bytes, str]:
        given = _OBJECTS.validate_json(server.store.objects(image).body) if chosen is None else chosen
        items = [item for item in given if not item.suggested]
        pixels = server.pictures.open(picture) if FORMATS[form].needs_picture else None
        colours = _colours(server)
        segments = label_files.to_segments(items, picture, pixels, colours)
        used = class_names([segments])
        used.sort(key=lambda name: [*colours].index(name) if name in colours else len(colours))
        classes = server.store.numbered(used, server.limits.max_names)
        return label_files.export(form, segments, picture, pixels, WriteOptions(tolerance, coco, classes))

    content, name = await server.watch(request, server.compute(work))
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(content, media_type=FORMATS[form].media, headers={"Content-Disposition": disposition})


def _colours(server: Server) -> dict[str, str | None]:
    """Returns the classes of the workspace, in their order, with their colours."""
    text = server.store.workspace("classes") or '{"classes": []}'
    return {entry["name"]: entry["colour"] for entry in json.loads(text)["classes"]}


_PLAIN = {"requestBody": {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.post("/images/{image}/import", response_model=ImportedBody, responses=errors(404, 415), openapi_extra=_PLAIN)
async def import_labels(
    request: Request,
    server: ServerDep,
    image: ImagePath,
    form: Annotated[ImportFormat, Query(alias="format")],
    body: Annotated[dict[str, Any], Body(description='The label file; a plain text also as {"text": ...}.')],
    file_name: Annotated[str | None, Query(max_length=1000)] = None,
    names: Annotated[
        str | None, Query(max_length=100_000, description="Classes of a YOLO file, parted by commas.")
    ] = None,
) -> Response:
    """Reads a label file as objects; nothing is stored. `notes` say what of it was skipped."""
    picture = await server.pictures.record(image)
    record = body if names is None else {**body, "names": [name.strip() for name in names.split(",")]}

    def work(job: Job) -> bytes:
        notes: list[str] = []
        with told(notes.append):
            objects = label_files.imported(form, record, picture, file_name, server.limits)
        return json_bytes({"objects": objects, "notes": notes})

    return json_answer(await server.watch(request, server.compute(work)))
