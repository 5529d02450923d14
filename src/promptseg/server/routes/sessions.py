"""Sessions: dialogues with undo and redo."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from promptseg.server.answers import SessionBody
from promptseg.server.dependencies import FormatQuery, Server, ServerDep, SessionPath, errors, json_answer
from promptseg.server.jobs import Job
from promptseg.server.json_out import json_bytes
from promptseg.server.masks_out import image_size, masks_json
from promptseg.server.schemas import MaskForm, RoundRequest, SessionRequest
from promptseg.server.sessions import State
from promptseg.server.strict import StrictRoute

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=StrictRoute)


@router.post("", status_code=201, response_model=SessionBody, responses=errors(404, 415))
async def begin(request: Request, server: ServerDep, body: SessionRequest) -> Response:
    """Begins a dialogue about a picture."""
    picture = await server.pictures.record(body.image)
    card = server.models.card(body.model)
    state = await server.watch(request, server.sessions.begin(picture, card.name))
    return await _answer(server, state, MaskForm(), 201)


@router.get("/{session}", response_model=SessionBody, responses=errors(404))
async def get_session(
    request: Request,
    server: ServerDep,
    session: SessionPath,
    form: FormatQuery = "rle",
    tolerance: Annotated[float, Query(ge=0, le=1000)] = 0.0,
) -> Response:
    """Returns a dialogue as it is."""
    state = await server.watch(request, server.sessions.state(session))
    return await _answer(server, state, MaskForm(format=form, tolerance=tolerance))


@router.delete("/{session}", status_code=204, responses=errors(404))
async def delete_session(server: ServerDep, session: SessionPath) -> Response:
    """Forgets a dialogue."""
    await server.sessions.drop(session)
    return Response(status_code=204)


@router.post("/{session}/prompts", response_model=SessionBody, responses=errors(404, 415))
async def add(request: Request, server: ServerDep, session: SessionPath, body: RoundRequest) -> Response:
    """Adds a round: prompts that correct the mask so far."""
    state = await server.watch(request, server.sessions.add(session, body))
    return await _answer(server, state, MaskForm(format=body.format, tolerance=body.tolerance))


@router.post("/{session}/undo", response_model=SessionBody, responses=errors(404, 415))
async def undo(request: Request, server: ServerDep, session: SessionPath, body: MaskForm | None = None) -> Response:
    """Takes the last round back; without one, nothing changes."""
    return await _moved(request, server, session, "undo", body)


@router.post("/{session}/redo", response_model=SessionBody, responses=errors(404, 415))
async def redo(request: Request, server: ServerDep, session: SessionPath, body: MaskForm | None = None) -> Response:
    """Brings the round that was taken back again; without one, nothing changes."""
    return await _moved(request, server, session, "redo", body)


@router.post("/{session}/reset", response_model=SessionBody, responses=errors(404, 415))
async def reset(request: Request, server: ServerDep, session: SessionPath, body: MaskForm | None = None) -> Response:
    """Forgets all rounds."""
    return await _moved(request, server, session, "reset", body)


async def _moved(request: Request, server: Server, session: str, way: str, body: MaskForm | None) -> Response:
    state = await server.watch(request, server.sessions.move(session, way))
    return await _answer(server, state, body or MaskForm())


async def _answer(server: Server, state: State, view: MaskForm, status: int = 200) -> Response:
    def work(job: Job) -> bytes:
        return json_bytes(
            {
                "id": state.id,
                "image": image_size(state.picture),
                "model": state.model,
                "can_undo": state.can_undo,
                "can_redo": state.can_redo,
                "rounds": state.rounds,
                "masks": masks_json(state.segments, view.format, view.tolerance),
            }
        )

    return json_answer(await server.compute(work), status)
