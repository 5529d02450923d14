"""What the server is: models and their decoders, limits, health, metrics."""

import asyncio
import gzip
import hashlib
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response

import promptseg
from promptseg.models.registry import packaged
from promptseg.server import static
from promptseg.server.answers import HealthBody, ModelsBody
from promptseg.server.dependencies import ServerDep, binary, errors, json_answer
from promptseg.server.http_errors import not_found
from promptseg.server.models import describe
from promptseg.server.store import etag

router = APIRouter(tags=["about"])


@router.get("/v1/models", response_model=ModelsBody, responses=errors())
async def models(server: ServerDep) -> Response:
    """Lists the models that are served."""
    names = server.models.names
    hears = await asyncio.to_thread(lambda: server.ears.there)
    described = [describe(server.models, name, hears=hears) for name in names]
    return JSONResponse({"default": names[0], "models": described})


@router.get(
    "/v1/models/{model}/{graph}.onnx",
    response_class=Response,
    responses={**binary("application/octet-stream", "A complete ONNX model."), **errors(404)},
)
async def decoder(
    request: Request,
    server: ServerDep,
    model: Annotated[str, Path(max_length=100, examples=["mobile-sam"])],
    graph: Annotated[str, Path(max_length=40, examples=["decoder"])],
) -> Response:
    """Returns a graph for the browser: a decoder, or what sketches masks under a mouse that hovers.

    `decoder` takes points and boxes, `mask_decoder` a mask as well; `view` prepares a picture for `sketch`; `retouch`
    draws the border of a corrected mask anew.
    """
    name = server.models.card(model).name
    content = await asyncio.to_thread(server.models.graph, name, graph)
    # Of the file itself: a server that is started again may have other weights for its decoder.
    digest = await asyncio.to_thread(hashlib.sha256, content)
    tag = etag(digest.hexdigest())
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.get(
    "/v1/models/{model}/bundle.safetensors",
    response_class=Response,
    responses={**binary("application/octet-stream", "Graphs and weights, packed with gzip."), **errors(404)},
)
async def bundle(
    request: Request, server: ServerDep, model: Annotated[str, Path(max_length=100, examples=["mobile-sam"])]
) -> Response:
    """Returns decoder, mask_decoder, view and sketch in one file: graphs without weights, and each weight once.

    Weights are float16. The metadata of the file say which tensor fills what of which graph.
    """
    name = server.models.card(model).name
    content = await asyncio.to_thread(server.models.bundle, name)
    digest = await asyncio.to_thread(hashlib.sha256, content)
    tag = etag(digest.hexdigest())
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        content = await asyncio.to_thread(gzip.decompress, content)
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.get("/v1/models/{model}/choice.json", responses=errors(404))
async def choice(
    server: ServerDep, model: Annotated[str, Path(max_length=100, examples=["mobile-sam-clicks"])]
) -> Response:
    """Returns the numbers of the networks that choose the mask of a click (`promptseg.models.companions.choice`)."""
    card = server.models.card(model)
    if not server.models.chooses(card.name):
        raise not_found(f"{card.name} chooses by its scores and has no choice.json.")
    return json_answer(packaged(card.companions.choice).read_text("utf-8"))


@router.get("/v1/limits", responses=errors())
async def limits(server: ServerDep) -> dict[str, float]:
    """Returns what the server allows; see SECURITY.md."""
    return server.limits.as_json()


@router.get("/healthz", response_model=HealthBody)
async def health(server: ServerDep) -> Response:
    """Says that the server is there."""
    return JSONResponse(
        {
            "status": "ok",
            "version": promptseg.__version__,
            "studio": static.studio() is not None,
            "token": server.settings.guarded,
        }
    )


@router.get(
    "/metrics", response_class=Response, responses={**binary("text/plain", "Prometheus' text form."), **errors()}
)
async def metrics(server: ServerDep) -> Response:
    """Returns the counters for Prometheus."""
    return Response(server.metrics.text(), headers={"Content-Type": server.metrics.content_type})
