"""Speech: what is said in a recording, to be looked at and corrected before it is asked."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from promptseg.server.answers import HeardBody
from promptseg.server.dependencies import ServerDep, errors
from promptseg.server.schemas import HearRequest
from promptseg.server.strict import StrictRoute

router = APIRouter(prefix="/v1/hear", tags=["speech"], route_class=StrictRoute)


@router.post("", response_model=HeardBody, responses=errors(415))
async def hear(request: Request, server: ServerDep, body: HearRequest) -> Response:
    """Writes a recording down; nothing of it is kept."""
    work = server.compute(lambda job: server.ears.hear(body.file, body.language))
    understood = await server.watch(request, work)
    said = {"words": understood.words, "phrase": understood.phrase, "language": understood.language}
    return JSONResponse(said)
