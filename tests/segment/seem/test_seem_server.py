"""A server with a model with semantics: text, references, panoptic, labels, pre-labelling."""

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image as Pillow

from promptseg import Box, Reference, Text
from promptseg.masks.rle import RLE
from promptseg.server.app import create_app
from promptseg.server.settings import Limits, ModelChoice, Settings

PATIENT = Limits(request_seconds=3600, everything_seconds=3600)
CLASSES = ["cat", "dog"]


class Asked:
    """Speaks to an application without a connection."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1", timeout=600
            ) as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def ask(seem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    models = (ModelChoice(), ModelChoice(name="seem-focal-t"))
    folder = tmp_path_factory.mktemp("data")
    app = create_app(Settings(data=folder, models=models, runtime="onnx", threads=1, limits=PATIENT))
    app.state.server.models._made["seem-focal-t"] = seem
    yield Asked(app)
    app.state.server.jobs.close()
    app.state.server.store.close()


@pytest.fixture(scope="module")
def url(ask: Asked, pixels) -> str:
    return _upload(ask, pixels)


def _upload(ask: Asked, pixels: Any) -> str:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    answer = ask("POST", "/v1/images", content=file.getvalue(), headers={"Content-Type": "image/png"})
    return f"/v1/images/{answer.json()['id']}"


def test_text_and_references(ask: Asked, url: str, seem, pixels, other) -> None:
    body = {"prompts": [{"type": "text", "phrase": "a cat"}], "model": "seem-focal-t"}
    answer = ask("POST", f"{url}/segment", json=body).json()
    expected = seem.segment(pixels, Text("a cat"))
    assert [RLE.from_coco(mask["segmentation"]) for mask in answer["masks"]] == list(expected.masks)
    second = _upload(ask, other).rpartition("/")[2]
    region = Box(5, 5, 60, 60)
    body["prompts"] = [{"type": "reference", "image": {"id": second}, "mask": region.to_json()}]
    answer = ask("POST", f"{url}/segment", json=body).json()
    expected = seem.segment(pixels, Reference(other, region))
    assert [RLE.from_coco(mask["segmentation"]) for mask in answer["masks"]] == list(expected.masks)
    body["prompts"][0]["image"] = {"id": "0" * 64}
    assert ask("POST", f"{url}/segment", json=body).status_code == 404


def test_panoptic_and_labels(ask: Asked, url: str, seem, pixels, embedded) -> None:
    body: dict[str, Any] = {"vocabulary": CLASSES, "model": "seem-focal-t"}
    answer = ask("POST", f"{url}/panoptic", json=body).json()
    expected = seem.panoptic(pixels, CLASSES)
    assert [RLE.from_coco(mask["segmentation"]) for mask in answer["masks"]] == list(expected.segments.masks)
    found = seem.segment(embedded, Box(5, 5, 60, 60))
    body["masks"] = [mask.to_coco() for mask in found.masks]
    answer = ask("POST", f"{url}/label", json=body).json()
    assert tuple(mask["label"] for mask in answer["masks"]) == seem.label(pixels, found, CLASSES).labels
    assert ask("POST", f"{url}/everything", json={"model": "seem-focal-t"}).status_code == 422
    assert ask("GET", f"{url}/embedding?model=seem-focal-t").status_code == 422


def test_models_say_what_they_can(ask: Asked) -> None:
    sam, seem = ask("GET", "/v1/models").json()["models"]
    assert (sam["semantic"], seem["semantic"]) == (True, True)
    assert "text" in seem["prompts"]
    assert seem["decoder"] is None
