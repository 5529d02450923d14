"""Masks: by prompts, of everything, and of classes."""

import io
import threading
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.segments import Segments
from promptseg.models.registry import ModelCard
from promptseg.segment.everything.contest import Enough
from promptseg.segment.everything.edges import edge_picture
from promptseg.segment.everything.options import EverythingOptions
from promptseg.segment.segmenter import Segmenter
from promptseg.segment.words.phrases.read import name_in
from promptseg.server import prompts_in
from promptseg.server.answers import MasksBody
from promptseg.server.dependencies import ImagePath, Server, ServerDep, errors, json_answer
from promptseg.server.http_errors import not_found, too_large, unsupported
from promptseg.server.jobs import Job
from promptseg.server.json_out import json_bytes
from promptseg.server.label_files import mask_of
from promptseg.server.lines import STREAMED, Line, Lines, Told
from promptseg.server.masks_out import found_json, image_size, masks_json
from promptseg.server.schemas import (
    EdgesRequest,
    EverythingRequest,
    FinishRequest,
    LabelRequest,
    PanopticRequest,
    ProposalsRequest,
    SegmentRequest,
)
from promptseg.server.store import Picture
from promptseg.server.strict import StrictRoute

router = APIRouter(prefix="/v1/images/{image}", tags=["masks"], route_class=StrictRoute)


@router.post("/segment", response_model=MasksBody, responses=errors(404, 415))
async def segment(request: Request, server: ServerDep, image: ImagePath, body: SegmentRequest) -> Response:
    """Segments the objects that the prompts speak of."""
    picture = await server.pictures.record(image)
    card = server.models.card(body.model)
    prompts_in.check(body.prompts, server.limits, picture.width * picture.height)
    references = [await server.pictures.record(other) for other in prompts_in.stored_references(body.prompts)]

    async def work() -> bytes:
        embedded = await server.pictures.embedded(picture, card.name)

        def answer(job: Job) -> bytes:
            others = {record.id: server.pictures.open(record) for record in references}
            given, phrases = prompts_in.write_down(body.prompts, server.ears)
            job.check()
            prompts = prompts_in.to_prompts(given, others, server.limits)
            found = server.models.get(card.name).segment(embedded, prompts, granularity=body.granularity)
            masks = masks_json(found, body.format, body.tolerance)
            named = [{**mask, "noun": name_in(mask["label"])} if mask["label"] else mask for mask in masks]
            return _answer(picture, card.name, named, **({"heard": phrases} if phrases else {}))

        return await server.compute(answer)

    return json_answer(await server.watch(request, work()))


def _answer(picture: Picture, model: str, masks: list[dict[str, Any]], **more: Any) -> bytes:
    return json_bytes({"image": image_size(picture), "model": model, "masks": masks, **more})


@router.post("/everything", response_class=StreamingResponse, responses={**STREAMED, **errors(404, 415)})
async def everything(request: Request, server: ServerDep, image: ImagePath, body: EverythingRequest) -> Response:
    """Finds all masks, and tells of them as they become certain."""
    picture = await server.pictures.record(image)
    given = body.options.model_dump()
    card = _searching(server, body.model, "everything", given["points_per_side"])
    options = EverythingOptions(**given)
    embedded = await server.watch(request, server.pictures.embedded(picture, card.name))
    enough = threading.Event()

    def search(job: Job, tell: Told) -> Line:
        count, cut = 0, False

        def progress(done: int, total: int) -> None:
            nonlocal cut
            tell({"type": "progress", "done": done, "total": total})
            if enough.is_set() and done < total:
                cut = True
                raise Enough

        for part in server.models.get(card.name).iter_everything(embedded, options, on_progress=progress):
            job.check()
            count += len(part)
            if count > server.limits.max_masks:
                raise too_large(f"More than {server.limits.max_masks:,} masks were found, which is the limit.")
            tell({"type": "masks", "masks": found_json(part, body.format, body.tolerance)})
        told = {"count": count, "image": image_size(picture), "model": card.name}
        return {**told, "cut": True} if cut else told

    if body.search is None:
        return await Lines(server, search).response(request)
    name = body.search
    server.searches[name] = enough.set
    return await Lines(server, search, ended=lambda: server.searches.pop(name, None)).response(request)


@router.post("/everything/finish", status_code=204, responses=errors(404, 415))
async def finish_everything(server: ServerDep, image: ImagePath, body: FinishRequest) -> Response:
    """Ends a search early: its stream goes on with what was found until then, and ends."""
    finish = server.searches.get(body.search)
    if finish is None:
        raise not_found(f"There is no search {body.search}, or it has ended.")
    finish()
    return Response(status_code=204)


def _searching(server: Server, model: str | None, ability: str, points: int) -> ModelCard:
    """Returns the card of a model that can search so finely on this server."""
    card = server.models.card(model)
    if ability not in card.abilities:
        raise unsupported(f"{card.name} does not search. Use panoptic, or a model of the SAM family.")
    most = server.limits.max_points_per_side
    if points > most:
        raise too_large(f"points_per_side is {points}; this server's limit is {most}.")
    return card


@router.post("/edges", response_class=Response, responses={200: {"content": {"image/png": {}}}, **errors(404, 415)})
async def edges(request: Request, server: ServerDep, image: ImagePath, body: EdgesRequest) -> Response:
    """Draws an edge map: a grey PNG, bright where the outlines of masks run."""
    picture = await server.pictures.record(image)
    card = _searching(server, body.model, "edges", body.points_per_side)
    embedded = await server.watch(request, server.pictures.embedded(picture, card.name))

    def work(job: Job) -> bytes:
        found = server.models.get(card.name).edges(
            embedded, points_per_side=body.points_per_side, thin=body.thin, on_progress=lambda done, total: job.check()
        )
        file = io.BytesIO()
        edge_picture(found, bits=body.bits, invert=body.invert).save(file, "PNG")
        return file.getvalue()

    return Response(await server.watch(request, server.compute_long(work)), media_type="image/png")


@router.post("/proposals", response_model=MasksBody, responses=errors(404, 415))
async def proposals(request: Request, server: ServerDep, image: ImagePath, body: ProposalsRequest) -> Response:
    """Proposes masks of all that may be an object, the likeliest first."""
    picture = await server.pictures.record(image)
    card = _searching(server, body.model, "proposals", body.points_per_side)
    if body.top > server.limits.max_masks:
        raise too_large(f"top is {body.top:,}; this server's limit is {server.limits.max_masks:,}.")
    embedded = await server.watch(request, server.pictures.embedded(picture, card.name))

    def work(job: Job) -> bytes:
        found = server.models.get(card.name).proposals(
            embedded, body.top, points_per_side=body.points_per_side, on_progress=lambda done, total: job.check()
        )
        return _answer(picture, card.name, masks_json(found, body.format, body.tolerance))

    return json_answer(await server.watch(request, server.compute_long(work)))


@router.post("/panoptic", response_model=MasksBody, responses=errors(404, 415))
async def panoptic(request: Request, server: ServerDep, image: ImagePath, body: PanopticRequest) -> Response:
    """Cuts the picture into things and stuff."""
    return await _map(request, server, image, body, lambda segmenter, seen: segmenter.panoptic(seen, body.vocabulary))


@router.post("/semantic", response_model=MasksBody, responses=errors(404, 415))
async def semantic(request: Request, server: ServerDep, image: ImagePath, body: PanopticRequest) -> Response:
    """Gives pixels a class: one mask for each class that is seen."""
    return await _map(request, server, image, body, lambda segmenter, seen: segmenter.semantic(seen, body.vocabulary))


@router.post("/instances", response_model=MasksBody, responses=errors(404, 415))
async def instances(request: Request, server: ServerDep, image: ImagePath, body: PanopticRequest) -> Response:
    """Finds all things of the classes, best first; their masks may overlap."""
    return await _map(request, server, image, body, lambda segmenter, seen: segmenter.instances(seen, body.vocabulary))


async def _map(
    request: Request,
    server: Server,
    image: str,
    body: PanopticRequest,
    find: Callable[[Segmenter, Any], PanopticSegments | Segments],
) -> Response:
    """Answers with the masks of classes, whose categories tell things from stuff where they come along."""
    picture = await server.pictures.record(image)
    name = _named(server, body)

    async def work() -> bytes:
        embedded = await server.pictures.embedded(picture, name)

        def answer(job: Job) -> bytes:
            found = find(server.models.get(name), embedded)
            segments, categories = (found, ()) if isinstance(found, Segments) else (found.segments, found.categories)
            masks = masks_json(segments, body.format, body.tolerance)
            for record, category in zip(masks, categories, strict=False):
                record["is_thing"] = category.thing
            return _answer(picture, name, masks)

        return await server.compute_long(answer)

    return json_answer(await server.watch(request, work()))


@router.post("/label", response_model=MasksBody, responses=errors(404, 415))
async def label(request: Request, server: ServerDep, image: ImagePath, body: LabelRequest) -> Response:
    """Names masks."""
    picture = await server.pictures.record(image)
    name = _named(server, body)

    async def work() -> bytes:
        embedded = await server.pictures.embedded(picture, name)

        def answer(job: Job) -> bytes:
            masks = tuple(mask_of(item, picture, f"Mask {place}") for place, item in enumerate(body.masks))
            segments = Segments((picture.height, picture.width), masks)  # type: ignore[arg-type]
            named = server.models.get(name).label(embedded, segments, body.vocabulary)
            return _answer(picture, name, masks_json(named, body.format, body.tolerance))

        return await server.compute_long(answer)

    return json_answer(await server.watch(request, work()))


def _named(server: Server, body: PanopticRequest) -> str:
    return server.models.card(body.model).name
