"""Data sets: the work on many pictures to an archive, and archives of label files to work on many pictures."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from promptseg.errors import InputError
from promptseg.formats.options import WriteOptions
from promptseg.notes import told
from promptseg.server import data_set_in
from promptseg.server.answers import ClassNames, DataSetRead
from promptseg.server.data_set_out import DataSet, DataSetOptions
from promptseg.server.dependencies import AnnotatorDep, Server, ServerDep, binary, errors
from promptseg.server.http_errors import HttpError
from promptseg.server.routes.images import clean_name
from promptseg.server.schemas import ClassText, DataSetRequest
from promptseg.server.store import Picture
from promptseg.server.strict import StrictRoute

router = APIRouter(prefix="/v1", tags=["data sets"], route_class=StrictRoute)

MOST_NOTES = 50
"""What more is to be said of an import is counted."""

_FILE = {"schema": {"type": "string", "format": "binary"}}
_ARCHIVE = {
    "requestBody": {
        "required": True,
        "content": {"application/zip": _FILE, "application/json": {"schema": {}}, "application/octet-stream": _FILE},
    }
}
_PLAIN = {"requestBody": {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.post(
    "/export",
    response_class=StreamingResponse,
    responses={**binary("application/zip", "The data set, sent as it is made."), **errors(404, 415)},
)
async def export_data_set(request: Request, server: ServerDep, body: DataSetRequest) -> Response:
    """Writes a data set of many pictures, with the stored work on them."""
    if body.images is None:
        pictures = await asyncio.to_thread(server.store.pictures)
    else:
        pictures = [await server.pictures.record(image) for image in dict.fromkeys(body.images)]
    if body.states:
        pictures = [picture for picture in pictures if picture.state in body.states]
    if not pictures:
        raise InputError("There is nothing to export: no picture was chosen.")
    options = DataSetOptions(
        format=body.format,
        write=WriteOptions(body.tolerance, body.coco),
        pictures=body.pictures,
        validation=body.validation,
        unlabelled=body.unlabelled,
    )
    archive = await asyncio.to_thread(DataSet, server, pictures, options)
    await server.watch(request, archive.check())
    disposition = f'attachment; filename="promptseg_{body.format}.zip"'
    return StreamingResponse(
        archive.pieces(), media_type="application/zip", headers={"Content-Disposition": disposition}
    )


@router.post("/import", response_model=DataSetRead, responses=errors(415), openapi_extra=_ARCHIVE)
async def import_data_set(
    request: Request,
    server: ServerDep,
    annotator: AnnotatorDep,
    name: Annotated[str, Query(max_length=1000, description="of a file that is no archive")] = "",
    existing: Annotated[
        Literal["add", "replace", "skip"], Query(description="what becomes of pictures that have objects already")
    ] = "add",
) -> Response:
    """Reads label files of many pictures: a ZIP archive (COCO, YOLO, labelme, VOC, SA-1B, masks), or one such file.

    Pictures are found by their names; those that are in the archive, and that labels speak of, are uploaded. What is
    read is stored.
    """
    content = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/zip", "application/json", "application/octet-stream"):
        raise HttpError(
            415,
            "MediaTypeError",
            f"Send the archive as application/zip, or a file as application/octet-stream; got {kind[:80] or 'none'!r}.",
        )
    reading = _Reading(server, annotator, existing)

    async def work() -> dict[str, Any]:
        async with server.jobs.alone():
            return await reading.run(content, name)

    return JSONResponse(await server.watch(request, work()))


@router.post("/classes/read", response_model=ClassNames, responses=errors(415), openapi_extra=_PLAIN)
async def read_classes(server: ServerDep, body: ClassText) -> Response:
    """Reads a list of classes: a name on each line, `data.yaml`, a COCO file. Nothing is stored."""
    names = await server.compute(lambda job: data_set_in.class_list(body.text))
    return JSONResponse({"names": names[: server.limits.max_names]})


class _Reading:
    """One import."""

    def __init__(self, server: Server, annotator: str, existing: str) -> None:
        self._server, self._annotator, self._existing = server, annotator, existing
        self._notes: list[str] = []
        self._images: list[str] = []
        self._objects = self._added = 0

    async def run(self, content: bytes, name: str) -> dict[str, Any]:
        """Reads all of it."""
        limits = self._server.limits
        found = await self._server.compute_long(
            lambda job: data_set_in.incoming(data_set_in.unpacked(content, name, limits), limits)
        )
        self._notes.extend(found.notes)
        if not found.labels:
            reason = f" {found.notes[0]}" if found.notes else ""
            raise InputError(
                f"There are no labels that are understood: COCO, YOLO, labelme, VOC, SA-1B, masks.{reason}"
            )
        known = await asyncio.to_thread(lambda: data_set_in.Known(self._server.store.pictures()))
        await self._add_pictures(found, known)
        missing = [labels.name for labels in found.labels if not await self._one(labels, known)]
        if missing:
            more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
            shown = ", ".join(repr(one[:80]) for one in missing[:3])
            self._notes.insert(0, f"No picture here, or more than one, is called {shown}{more}: open them first.")
        images = list(dict.fromkeys(self._images))
        notes = self._notes[:MOST_NOTES]
        if len(self._notes) > MOST_NOTES:
            notes.append(f"There are {len(self._notes) - MOST_NOTES:,} notes more.")
        return {
            "pictures": len(images),
            "objects": self._objects,
            "images": images,
            "added": self._added,
            "notes": notes,
        }

    async def _add_pictures(self, found: data_set_in.Incoming, known: data_set_in.Known) -> None:
        """Uploads the pictures that came along, as far as labels speak of them."""
        wanted = {labels.name.rpartition(".")[0] or labels.name for labels in found.labels}
        wanted |= {labels.name for labels in found.labels}
        for path, content in found.pictures.items():
            name = path.rpartition("/")[2]
            if name not in wanted and name.rpartition(".")[0] not in wanted:
                continue
            try:
                picture, new = await self._server.pictures.add(content, clean_name(name))
            except Exception as error:
                self._note(error, name)
                continue
            self._added += new
            known.add(picture, name)
        found.pictures.clear()  # they are no longer needed, and may be large

    async def _one(self, labels: data_set_in.Labels, known: data_set_in.Known) -> bool:
        """Reads the labels of one picture; false when it is not known which is meant."""
        picture = known.find(labels)
        if picture is None:
            return False
        try:
            count = await self._server.compute(lambda job: self._stored(labels, picture))
        except Exception as error:
            self._note(error, labels.name)
            return True
        if count:
            self._images.append(picture.id)
            self._objects += count
        return True

    def _stored(self, labels: data_set_in.Labels, picture: Picture) -> int:
        server = self._server
        with told(lambda note: self._notes.append(f"{labels.name}: {note}")):
            objects = data_set_in.read(labels, picture, server.limits)
        # What replaces or skips does so once for a picture, however many files speak of it.
        existing = "add" if picture.id in self._images else self._existing
        return data_set_in.store_objects(server.store, picture, objects, existing, server.limits, self._annotator)

    def _note(self, error: Exception, name: str) -> None:
        text = data_set_in.note_of(error, name)
        if text is None:
            raise error
        self._notes.append(text)
