"""Label Studio's machine-learning backend: health, setup, predict, webhook."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

import promptseg
from promptseg.errors import FormatError, shorten
from promptseg.server.counts import check_results
from promptseg.server.dependencies import Server, ServerDep, errors, json_answer
from promptseg.server.jobs import Job
from promptseg.server.json_out import json_bytes
from promptseg.server.labelling.config import LabelConfig, parse_config
from promptseg.server.labelling.results import prediction, prompts_of, size_in
from promptseg.server.labelling.tasks import picture_bytes
from promptseg.server.store import Picture
from promptseg.server.strict import StrictRoute

router = APIRouter(prefix="/label-studio", tags=["Label Studio"], route_class=StrictRoute)


class Tolerant(BaseModel):
    """What Label Studio sends, with fields that this server does not read."""

    model_config = ConfigDict(extra="allow")


class Setup(Tolerant):
    """A project that is connected."""

    project: Any = None
    label_config: str | None = None


class Predict(Tolerant):
    """Tasks that want predictions, as Label Studio sends them."""

    tasks: Annotated[list[dict[str, Any]], Field(fail_fast=True)]
    label_config: str
    params: dict[str, Any] | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tasks": [{"id": 1, "data": {"image": "/data/upload/1/dog.jpg"}}],
                    "label_config": '<View><Image name="image" value="$image"/>'
                    '<BrushLabels name="tag" toName="image"><Label value="Dog"/></BrushLabels></View>',
                }
            ]
        }
    )


def _version(server: Server) -> str:
    return f"promptseg-{promptseg.__version__}-{server.models.names[0]}"


@router.get("/", include_in_schema=False)
@router.get("/health", responses=errors())
async def health(server: ServerDep) -> dict[str, str]:
    """Says that the backend is up."""
    return {"status": "UP", "model_class": _version(server)}


@router.post("/setup", responses=errors(415))
async def setup(server: ServerDep, body: Setup) -> dict[str, str]:
    """Connects a project; there is nothing to prepare."""
    return {"model_version": _version(server)}


@router.post("/webhook", status_code=201, responses=errors(415))
async def webhook(body: Tolerant) -> dict[str, str]:
    """Takes note of annotations; promptseg does not train on them here."""
    return {"status": "ok"}


@router.post("/predict", responses=errors(404, 415))
async def predict(request: Request, server: ServerDep, body: Predict) -> Response:
    """Predicts masks from what a person has clicked or, by a SEEM model, of all labels."""
    config = parse_config(body.label_config)
    context = (body.params or {}).get("context")
    clicked: Any = context.get("result") or [] if isinstance(context, dict) else []
    if not isinstance(clicked, list):
        raise FormatError(f"The results of a context are a list, got {shorten(clicked)}.")
    check_results(clicked, server.limits)

    async def work() -> bytes:
        results = [await _predict(server, task, config, clicked) for task in body.tasks]
        return await asyncio.to_thread(json_bytes, {"results": results})

    return json_answer(await server.watch(request, work()))


async def _predict(server: Server, task: dict[str, Any], config: LabelConfig, clicked: list[Any]) -> dict[str, Any]:
    card = server.models.card(None)
    nothing = {"result": [], "score": 0.0, "model_version": _version(server)}
    if not clicked and "classes" not in card.abilities:
        return nothing  # a SAM model says nothing of its own accord
    data = task.get("data")
    address = data.get(config.key) if isinstance(data, dict) else None
    content, name = await picture_bytes(address, server.settings.label_studio, server.limits)
    picture, _ = await server.pictures.add(content, name)
    _check_size(clicked, picture)
    embedded = await server.pictures.embedded(picture, card.name) if clicked else None

    def answer(job: Job) -> dict[str, Any]:
        segmenter = server.models.get(card.name)
        label: str | None = None
        if clicked:
            prompts, label = prompts_of(clicked, picture.width, picture.height)
            if not any(prompt.positive for prompt in prompts):
                return nothing
            found = segmenter.segment(embedded, [prompts])
        else:
            found = segmenter.instances(server.pictures.open(picture), config.labels or None)
        return prediction(found, config, _version(server), label)

    return await (server.compute(answer) if clicked else server.compute_long(answer))


def _check_size(clicked: list[Any], picture: Picture) -> None:
    given = size_in(clicked)
    if given is not None and given != (picture.width, picture.height):
        raise FormatError(
            f"Label Studio says that the picture has {given[0]} x {given[1]} pixels, it has {picture.width} x "
            f"{picture.height}."
        )
