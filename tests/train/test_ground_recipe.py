"""The recipe of the ground, on two pictures of sky over grass."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from promptseg.errors import FormatError
from promptseg.models.seem_tiny.ground import GroundHead
from promptseg.models.tensors import read_safetensors
from promptseg.train.loop import train
from promptseg.train.recipes import find_recipe
from promptseg.vocabulary import COCO_STUFF

SKY, GRASS = 187, 193


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("ground") / "coco"
    for folder in ("images", "panoptic"):
        (root / folder).mkdir(parents=True)
    annotations = []
    random = np.random.default_rng(0)
    for number in range(2):
        pixels = np.full((96, 128, 3), (90, 150, 230), np.uint8)
        pixels[48:] = (60, 140, 40)
        noisy = np.clip(pixels + random.integers(-20, 20, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(root / f"images/{number}.jpg")
        colours = np.zeros((96, 128, 3), np.uint8)
        colours[..., 0] = np.where(np.arange(96) < 48, 1, 2)[:, None]
        Image.fromarray(colours).save(root / f"panoptic/{number}.png")
        segments = [
            {"id": place, "category_id": category, "iscrowd": 0, "bbox": [0, 0, 128, 48], "area": 6144}
            for place, category in ((1, SKY), (2, GRASS))
        ]
        annotations.append({"file_name": f"{number}.png", "image_id": number, "segments_info": segments})
    categories = [
        {"id": SKY, "name": "sky-other-merged", "isthing": 0},
        {"id": GRASS, "name": "grass-merged", "isthing": 0},
    ]
    (root / "panoptic.json").write_text(json.dumps({"annotations": annotations, "categories": categories}))
    return root.parent


def test_it_learns_and_what_is_written_computes_the_same(data, tmp_path):
    recipe = find_recipe("ground").build(data, steps=40, threads=1, cache=str(tmp_path / "cache"))
    train(recipe, tmp_path / "run", tmp_path / "ground.safetensors")
    assert recipe.task.evaluate()["right of stuff"] > 0.9
    stored = read_safetensors(tmp_path / "ground.safetensors")
    head = GroundHead(stored["weight"].astype(np.float32), stored["bias"].astype(np.float32))
    with np.load(next((tmp_path / "cache").rglob("*.npz"))) as cells:
        features, kinds = cells["features"].astype(np.float32), cells["kinds"]
    logits = features @ head.weight.T + head.bias
    assert {COCO_STUFF[kind] for kind in kinds} == {"sky", "grass"}
    assert (logits.argmax(1) == kinds).mean() > 0.9
    task = recipe.task
    with torch.no_grad():
        wanted = task.model((torch.from_numpy(features) - task._mean) / task._deviation).numpy()
    np.testing.assert_allclose(logits - logits.mean(1, keepdims=True), wanted - wanted.mean(1, keepdims=True), atol=0.2)


def test_pictures_without_panoptic_labels_are_refused(tmp_path):
    with pytest.raises(FormatError, match=r"panoptic|class of every pixel"):
        find_recipe("ground").build(tmp_path)
