"""Clips: upload, list, delete, and following objects through them."""

import asyncio
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from promptseg.notes import told
from promptseg.prompts.types import Text
from promptseg.server import prompts_in
from promptseg.server.answers import VideoBody, VideoList
from promptseg.server.dependencies import ServerDep, errors
from promptseg.server.http_errors import HttpError, unsupported
from promptseg.server.jobs import Job
from promptseg.server.lines import STREAMED, Line, Lines, Told
from promptseg.server.masks_out import masks_json
from promptseg.server.routes.images import clean_name
from promptseg.server.schemas import FollowRequest
from promptseg.server.strict import StrictRoute
from promptseg.video.clips import Selection
from promptseg.video.track import VideoTrack

router = APIRouter(prefix="/v1/videos", tags=["videos"], route_class=StrictRoute)

VideoPath: TypeAlias = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="The clip: SHA-256 of its file.")]

_FILE = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD = {"requestBody": {"required": True, "content": {"application/octet-stream": _FILE, "video/mp4": _FILE}}}


@router.post(
    "",
    status_code=201,
    response_model=VideoBody,
    responses={200: {"model": VideoBody, "description": "It was there already."}, **errors(415)},
    openapi_extra=_UPLOAD,
)
async def upload_video(
    request: Request, server: ServerDep, name: Annotated[str, Query(max_length=200, description="File name.")] = ""
) -> Response:
    """Uploads a clip: the bytes of a film, or of an animated GIF, PNG or WebP."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/octet-stream" and not kind.startswith(("video/", "image/")):
        raise HttpError(
            415,
            "MediaTypeError",
            f"Send a clip's bytes as application/octet-stream, video/... or image/...; got {kind[:80]!r}.",
        )
    content = await request.body()

    def keep(job: Job) -> tuple[dict[str, Any], bool]:
        return server.videos.add(content, clean_name(name))

    record, new = await server.watch(request, server.compute(keep))
    return JSONResponse(record, 201 if new else 200)


@router.get("", response_model=VideoList, responses=errors())
async def list_videos(server: ServerDep) -> Response:
    """Lists all clips, oldest first."""
    return JSONResponse({"videos": await asyncio.to_thread(server.videos.records)})


@router.get("/{video}", response_model=VideoBody, responses=errors(404))
async def get_video(server: ServerDep, video: VideoPath) -> Response:
    """Returns the record of a clip."""
    return JSONResponse(await asyncio.to_thread(server.videos.record, video))


@router.delete("/{video}", status_code=204, responses=errors(404))
async def delete_video(server: ServerDep, video: VideoPath) -> Response:
    """Deletes a clip."""
    await asyncio.to_thread(server.videos.drop, video)
    return Response(status_code=204)


@router.post("/{video}/follow", response_class=StreamingResponse, responses={**STREAMED, **errors(404, 415)})
async def follow(request: Request, server: ServerDep, video: VideoPath, body: FollowRequest) -> Response:
    """Follows objects through a clip, and tells of each frame as it is done; who leaves ends the work.

    A frame that a correction changes is told of again; the last line about a frame holds.
    """
    record = await asyncio.to_thread(server.videos.record, video)
    card = server.models.card(body.model)
    if "graphs" not in card.abilities:
        raise unsupported(f"{card.name} follows nothing through clips. Use a model of the SAM family.")
    prompts_in.check([item.prompts for item in body.objects], server.limits, record["width"] * record["height"])
    selection = Selection(body.start, body.end, body.stride)

    def work(job: Job, tell: Told) -> Line:
        track = server.models.get(card.name).video(server.videos.open(video, selection))
        seen = 0
        with told(lambda text: None):  # a damage is told in the last line
            for item in _followed(track, body, server.limits, tell):
                job.check()
                seen += 1
                masks = masks_json(item.segments.replace(image=None), body.format, body.tolerance)
                tell({"type": "frame", "frame": item.number, "seconds": round(item.seconds, 6), "masks": masks})
        objects = [{"object_id": key, "label": known.label} for key, known in sorted(track.objects.items())]
        damage = track.clip.damage
        return {"frames": seen, "objects": objects, "model": card.name, "notes": [damage] if damage else []}

    return await Lines(server, work, seconds=server.limits.video_seconds).response(request)


def _followed(track: VideoTrack, body: FollowRequest, limits: Any, tell: Told) -> Any:
    """Adds what is given frame by frame and follows; later frames of an object correct what was followed so far."""

    def progress(done: int, total: int) -> None:
        tell({"type": "progress", "done": done, "total": total})

    for phrase in body.words:
        track.find(Text(phrase))
    ordered = sorted(body.objects, key=lambda item: body.start if item.frame is None else item.frame)
    for item in ordered:
        if item.object_id in track.objects:
            yield from track.propagate(body.direction, on_progress=progress)
        prompts = prompts_in.to_prompts([list(item.prompts)], {}, limits)[0]
        track.add(*prompts, frame=item.frame, object_id=item.object_id, label=item.label)
    yield from track.propagate(body.direction, on_progress=progress)
