"""The detector beside its torch module and what NanoDet-g itself answered, and its boxes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from promptseg.errors import WeightsError
from promptseg.export.detector_graph import detector_inputs, trace_detector
from promptseg.geometry import box_iou
from promptseg.models.detector.config import PIXEL_MEAN, PIXEL_STD, SIDE
from promptseg.models.detector.decode import Boxes, apart, decoded, fused
from promptseg.models.detector.network import NanoDet
from promptseg.models.detector.weights import NAME, DetectorNetwork
from promptseg.models.graphs.stored import graph_manifest
from promptseg.models.tensors import write_safetensors
from promptseg.runtimes.detector import DetectorRuntime
from promptseg.runtimes.onnx_graphs import OnnxGraphs
from promptseg.runtimes.openvino import OpenVinoGraphs

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/detector/nanodet.json").read_text())
ENGINES = [OnnxGraphs, OpenVinoGraphs]


@pytest.fixture(scope="module")
def network():
    return DetectorNetwork.load()


@pytest.fixture(scope="module")
def module(network):
    made = NanoDet().eval()
    made.load_state_dict({name: torch.tensor(array.astype(np.float32)) for name, array in network.tensors.items()})
    return made


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cells", [(10, 13), (13, 8), (1, 3)])
def test_the_graph_computes_what_the_module_computes(network, module, engine, cells):
    inputs = detector_inputs(*cells, seed=5)
    with torch.no_grad():
        wanted = module(inputs["image"])
    found = engine(network, threads=1).run(NAME, {"image": inputs["image"].numpy()})
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_boxes_are_those_of_the_published_network(network, examples, engine, name):
    picture = Image.open(examples / f"{name}.jpg").convert("RGB")
    scale = SIDE / max(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    pixels = np.zeros((SIDE, SIDE, 3), np.float32)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    pixels[top : top + height, left : left + width] = picture.resize((width, height), Image.Resampling.BILINEAR)
    image = ((pixels - np.float32(PIXEL_MEAN)) / np.float32(PIXEL_STD)).transpose(2, 0, 1)[None]
    found = decoded([level[0] for level in engine(network, threads=1).run(NAME, {"image": image})], 0.25)
    for row, wanted in enumerate(GOLDEN[name]):
        assert found.scores[row] == pytest.approx(wanted["score"], abs=1e-3)
        same = (found.classes == wanted["class"]) & (np.abs(found.scores - wanted["score"]) < 1e-3)
        assert np.abs(found.corners[same] - wanted["box"]).max(1).min() < 0.05


def test_the_stored_graph_is_that_of_the_module():
    assert list(trace_detector().tensors) == graph_manifest()["models"][NAME][NAME]["tensors"]


def test_a_box_is_where_it_is_whatever_the_padding(network):
    runtime = DetectorRuntime(OnnxGraphs(network, threads=1))
    pixels = np.asarray(
        Image.open(Path(__file__).parents[3] / "examples/chelsea.jpg").convert("RGB").resize((320, 224))
    )
    whole = apart(runtime.detect(pixels, 0.3))
    cut = apart(runtime.detect(pixels[:, :-20], 0.3))  # 300 columns are padded to 320
    assert whole.classes[0] == cut.classes[0] == 15
    assert box_iou(whole.corners[:1], cut.corners[:1])[0, 0] > 0.85


def test_the_worse_of_two_boxes_of_one_class_goes():
    corners = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [30, 0, 40, 10]], np.float32)
    boxes = Boxes(corners, np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.array([0, 0, 1, 0]))
    assert apart(boxes).scores.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert len(apart(boxes, most=2).scores) == 2


def test_looks_are_fused_to_means():
    first = Boxes(np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32), np.float32([0.9, 0.4]), np.array([3, 3]))
    second = Boxes(np.array([[1, 0, 11, 10], [0, 0, 10, 10]], np.float32), np.float32([0.3, 0.8]), np.array([3, 4]))
    found = fused([first, second])
    assert found.classes.tolist() == [3, 4, 3]
    np.testing.assert_allclose(found.scores, [0.6, 0.4, 0.2], atol=1e-6)
    np.testing.assert_allclose(found.corners[0], [0.25, 0, 10.25, 10], atol=1e-5)


def test_one_look_is_as_it_was():
    boxes = Boxes(np.array([[0, 0, 10, 10], [1, 0, 11, 10]], np.float32), np.float32([0.9, 0.4]), np.array([3, 3]))
    found = fused([boxes])
    assert found.scores.tolist() == boxes.scores.tolist()
    np.testing.assert_allclose(found.corners, boxes.corners, atol=1e-5)
    assert fused([boxes.chosen(np.zeros(0, np.int64))] * 2).corners.shape == (0, 4)


def test_nothing_above_the_threshold_is_no_box():
    levels = [np.full((124, side, side), -20, np.float32) for side in (8, 4, 2)]
    assert decoded(levels, 0.05).corners.shape == (0, 4)
    assert apart(decoded(levels, 0.05)).corners.shape == (0, 4)


def test_a_box_reaches_from_its_cell_as_far_as_it_says():
    level = np.full((124, 2, 3), -20, np.float32)
    level[7, 1, 2] = 3.0
    for side, steps in enumerate((1, 2, 3, 4)):
        level[80 + 11 * side + steps, 1, 2] = 60.0
    found = decoded([np.full((124, 4, 6), -20, np.float32), level, np.full((124, 1, 2), -20, np.float32)], 0.05)
    assert found.classes.tolist() == [7]
    np.testing.assert_allclose(found.corners, [[40 - 16, 24 - 32, 40 + 48, 24 + 64]], atol=1e-3)


def test_weights_that_do_not_fit_are_refused(network, tmp_path):
    tensors = dict(network.tensors)
    tensors["stem.0.bias"] = np.zeros(3, np.float16)
    write_safetensors(tmp_path / "wrong.safetensors", tensors)
    with pytest.raises(WeightsError, match=r"stem\.0\.bias"):
        DetectorNetwork.load(tmp_path / "wrong.safetensors")
