"""The queue of pictures: how far the work is, who did what, and numbers."""

import asyncio

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from promptseg.server import reviews
from promptseg.server.answers import HistoryBody, ImageBody, StatisticsBody
from promptseg.server.dependencies import AnnotatorDep, ImagePath, ServerDep, errors
from promptseg.server.http_errors import not_found
from promptseg.server.routes.images import image_json
from promptseg.server.schemas import ReviewRequest
from promptseg.server.strict import StrictRoute

router = APIRouter(prefix="/v1", tags=["queue"], route_class=StrictRoute)


@router.put("/images/{image}/review", response_model=ImageBody, responses=errors(404, 415))
async def put_review(server: ServerDep, annotator: AnnotatorDep, image: ImagePath, body: ReviewRequest) -> Response:
    """Says how far the work on a picture is, why, and for how long more it was worked on."""
    try:
        await asyncio.to_thread(
            reviews.put_review, server.store, image, body.state, body.comment, body.seconds, annotator
        )
    except KeyError as error:
        raise not_found(f"There is no picture {image}.") from error
    return JSONResponse(image_json(server, await server.pictures.record(image)))


@router.get("/images/{image}/history", response_model=HistoryBody, responses=errors(404))
async def history(server: ServerDep, image: ImagePath) -> Response:
    """Returns who changed what of a picture, the newest first."""
    await server.pictures.record(image)
    return JSONResponse({"changes": await asyncio.to_thread(reviews.changes_of, server.store, image)})


@router.get("/statistics", response_model=StatisticsBody, responses=errors())
async def statistics(server: ServerDep) -> Response:
    """Returns the work in numbers."""
    return JSONResponse(await server.compute_long(lambda job: reviews.statistics(server.store)))
