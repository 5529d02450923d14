"""Runs: many pictures labelled in the background, by words or everything in them."""

import asyncio

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from promptseg.server.answers import RunBody, RunsBody
from promptseg.server.dependencies import AnnotatorDep, RunPath, ServerDep, errors
from promptseg.server.schemas import LabelAllRequest
from promptseg.server.strict import StrictRoute

router = APIRouter(prefix="/v1/runs", tags=["runs"], route_class=StrictRoute)


@router.post("", status_code=201, response_model=RunBody, responses=errors(404, 415))
async def begin_run(server: ServerDep, annotator: AnnotatorDep, body: LabelAllRequest) -> Response:
    """Begins to label pictures in the background; what is found becomes suggestions."""
    return JSONResponse(await server.runs.begin(body, annotator), 201)


@router.get("", response_model=RunsBody, responses=errors())
async def list_runs(server: ServerDep) -> Response:
    """Lists the runs, the newest first."""
    return JSONResponse({"runs": await asyncio.to_thread(server.runs.all)})


@router.post("/{run}/stop", response_model=RunBody, responses=errors(404))
async def stop_run(server: ServerDep, run: RunPath) -> Response:
    """Stops a run; what it has found stays."""
    return JSONResponse(await server.runs.stop(run))


@router.post("/{run}/resume", response_model=RunBody, responses=errors(404))
async def resume_run(server: ServerDep, run: RunPath) -> Response:
    """Goes on with a run where it was stopped, perhaps by the end of the server."""
    return JSONResponse(await server.runs.resume(run))
