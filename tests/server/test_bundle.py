"""The bundle that the studio decodes with: each weight once, half as wide, and the same masks."""

import gzip
import json

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load

from promptseg import Image
from promptseg.geometry import ResizeFrame
from promptseg.masks.overlap import iou
from promptseg.masks.upsample import upsample_to_rle
from promptseg.models.graphs.assembly import assemble
from promptseg.models.network import Network

GRAPHS = ("decoder", "mask_decoder", "view", "sketch")


@pytest.fixture(scope="module")
def content(here) -> bytes:
    address = here.http.get("/v1/models").json()["models"][0]["bundle"]
    answer = here.http.get(address)
    assert answer.headers["content-encoding"] == "gzip"
    again = here.http.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    return answer.content


def test_it_is_a_quarter_of_what_it_replaces(here, content) -> None:
    before = sum(len(Network.load().model(graph)) for graph in GRAPHS)
    assert len(gzip.compress(content, 6)) < before / 5
    plain = here.http.get("/v1/models/mobile-sam-clicks/bundle.safetensors", headers={"Accept-Encoding": "identity"})
    assert plain.content == content
    assert "content-encoding" not in plain.headers


def test_its_models_are_complete_and_answer_as_the_whole_ones(content, twin, astronaut) -> None:
    tensors = load(content)
    used = json.loads(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["graphs"])
    assert set(used) == set(GRAPHS)
    network = Network.load()
    image = twin.embed(Image.open(astronaut))
    frame = ResizeFrame.fit(image.image.size)
    features = np.asarray(image.features, np.float32)

    def session(graph: str, *, whole: bool) -> onnxruntime.InferenceSession:
        filled = {name: tensors[key] for name, key in used[graph].items()}
        made = network.model(graph) if whole else assemble(tensors[f"graph/{graph}"].tobytes(), filled, filled)
        return onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])

    for graph in ("view", "sketch", "mask_decoder"):
        session(graph, whole=False)
    ours, theirs = session("decoder", whole=False), session("decoder", whole=True)
    worst, scores = 1.0, []
    for x in range(128, 1024, 192):
        for y in range(128, 1024, 192):
            points = np.array([[(x, y), (0, 0)]], np.float32)
            feeds = {"features": features, "points": points, "labels": np.array([[1, -1]], np.int64)}
            (narrow, said), (wide, meant) = ours.run(None, feeds), theirs.run(None, feeds)
            scores.append(np.abs(said - meant).max())
            for place in range(4):
                masks = [upsample_to_rle(logits[0, place], frame) for logits in (narrow, wide)]
                if max(mask.area for mask in masks) > 500:
                    worst = min(worst, iou(*masks))
    print(f"worst IoU {worst:.4f}, largest difference of scores {max(scores):.4f}")
    assert worst > 0.97
    assert max(scores) < 0.02
