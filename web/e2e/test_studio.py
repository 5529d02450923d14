"""The studio in Chromium against the real server: a user's steps, and what they leave, compared with the Python API.

Needs the built studio, Node and Chromium; `make test-browser` sets them up. Each test plays one of `scenarios.mjs`.
"""

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from studio_server import WEB, Server, play

from promptseg import Segmenter
from promptseg.masks.rle import RLE
from promptseg.prompts.types import prompt_from_json

EXAMPLES = WEB.parent / "examples"
FIREFOX = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
WHISPER = Path(os.environ.get("PROMPTSEG_TEST_WHISPER", WEB.parent / "build/whisper-base"))


def iou(first: RLE, second: RLE) -> float:
    a, b = first.dense(), second.dense()
    return float((a & b).sum() / (a | b).sum())


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the scenario with every prompt type left."""
    folder = tmp_path_factory.mktemp("prompts")
    (folder / "out").mkdir()
    running = Server(folder / "data")
    yield play("prompts", running)
    running.kill()


def test_masks_are_those_of_the_python_api(played: Path) -> None:
    segmenter = Segmenter(runtime="onnx")
    image = segmenter.embed(EXAMPLES / "coffee.jpg")
    objects: list[dict[str, Any]] = json.loads((played / "objects.json").read_text())["objects"]
    kinds = [[prompt["type"] for prompt in item["prompts"]] for item in objects]
    assert kinds == [["point"] * 3, ["box"], ["polygon"], ["scribble"], ["point"]]
    assert [prompt["positive"] for prompt in objects[0]["prompts"]] == [True, False, True]
    assert [objects[0]["prompts"][0][axis] for axis in "xy"] == pytest.approx([290, 210], abs=1)
    (coco,) = played.glob("coco-*.json")
    exported = [RLE.from_coco(entry["segmentation"]) for entry in json.loads(coco.read_text())["annotations"]]
    for item, mask in zip(objects, exported, strict=True):
        session = segmenter.session(image)
        for prompt in item["prompts"]:
            found = session.add(prompt_from_json(prompt), granularity=item["granularity"])
        assert iou(found.masks[0], mask) >= 0.98
        assert item["score"] == pytest.approx(float(found.scores[0]), abs=0.02)


def test_png_masks_are_the_same_pixels(played: Path) -> None:
    (coco,) = played.glob("coco-*.json")
    (archive,) = played.glob("png-*.zip")
    exported = [RLE.from_coco(entry["segmentation"]) for entry in json.loads(coco.read_text())["annotations"]]
    with zipfile.ZipFile(archive) as files:
        pictures = [np.asarray(Pillow.open(files.open(name))) > 0 for name in sorted(files.namelist())]
    for mask, pixels in zip(exported, pictures, strict=True):
        assert np.array_equal(mask.dense(), pixels)


@pytest.mark.parametrize(
    "scenario",
    [
        "pixels",
        "keyboard",
        "labels",
        "classes",
        "finishing",
        "polygon",
        "stopping",
        "first",
        "fallback",
        "touch",
        "axe",
    ],
)
def test_scenario(scenario: str, server: Server) -> None:
    play(scenario, server)


@pytest.mark.parametrize(
    "firefox", [None, pytest.param(FIREFOX, marks=pytest.mark.skipif(FIREFOX is None, reason="no Firefox here"))]
)
def test_a_little_of_everything(firefox: str | None, server: Server) -> None:
    play("smoke", server, firefox=firefox)


@pytest.mark.skipif(not (WHISPER / "model.bin").is_file(), reason="no Whisper here: make test-speech brings it")
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng here: apt-get install espeak-ng")
def test_what_is_said_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    running = Server(tmp_path / "data", "--speech-model", str(WHISPER))
    try:
        play("speech", running)
    finally:
        running.kill()


def test_work_survives_a_reload_and_a_killed_server(server: Server) -> None:
    play("leave", server)
    server.kill()
    server.start()
    play("return", server)
