"""SEEM's training on three small pictures, with a network of the real structure that learns them at once."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PIL

from promptseg.cli import app
from promptseg.datasets.open import DatasetSource
from promptseg.datasets.samples import Dataset, PanopticTruth, Sample, Target
from promptseg.errors import FormatError, InputError
from promptseg.hands.strokes import KINDS, MOST_DOTS, click, first_touch
from promptseg.masks.rle import RLE
from promptseg.models.seem.config import FocalConfig, PixelDecoderConfig, PredictorConfig, SeemConfig, TextConfig
from promptseg.models.seem.seem import Seem
from promptseg.models.tensors import read_safetensors
from promptseg.train.config import TrainConfig
from promptseg.train.loop import train
from promptseg.train.recipes import find_recipe
from promptseg.train.recipes.seem_finetune.recipe import writer
from promptseg.train.recipes.seem_finetune.scenes import Scenes, SeemScene
from promptseg.train.recipes.seem_finetune.task import SeemDialogue, SeemDialogueOptions
from promptseg.train.task import Recipe
from promptseg.vocabulary import Category

SMALL = SeemConfig(
    backbone=FocalConfig(channels=16, depths=(1, 1, 1, 1), levels=2, depthwise=True),
    pixel_decoder=PixelDecoderConfig(deformable=False, depth=1),
    text=TextConfig(depth=1),
    predictor=PredictorConfig(queries=8, depth=2, memories=4),
)
THINGS = (((20, 20, 1), (44, 40, 2)), ((30, 30, 2), (50, 10, 1)), ((16, 44, 1), (40, 16, 2)))
"""x, y and class of the objects of each picture."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures with a red ball and a blue box each, in COCO's layout."""
    root = tmp_path_factory.mktemp("things")
    (root / "images").mkdir()
    rows, columns = np.mgrid[:64, :64]
    images, annotations = [], []
    for number, things in enumerate(THINGS):
        picture = np.full((64, 64, 3), 40, np.uint8)
        for x, y, label in things:
            ball = (columns - x) ** 2 + (rows - y) ** 2 < 81
            mask = ball if label == 1 else (abs(columns - x) < 8) & (abs(rows - y) < 8)
            picture[mask] = (220, 60, 60) if label == 1 else (60, 90, 230)
            annotation = {"id": len(annotations), "image_id": number, "category_id": label, "iscrowd": 0}
            size = {"area": int(mask.sum()), "bbox": [0, 0, 9, 9]}
            annotations.append(annotation | size | {"segmentation": RLE.encode(mask).to_coco()})
        PIL.fromarray(picture).save(root / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": 64, "width": 64})
    categories = [{"id": 1, "name": "red ball"}, {"id": 2, "name": "blue box"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "instances.json").write_text(json.dumps(content))
    return root


@pytest.fixture(scope="module")
def scenes(folder: Path) -> Scenes:
    return Scenes(DatasetSource(path=str(folder))(), "seem-focal-t", 64)


def small_task(scenes: Scenes) -> tuple[SeemDialogue, Seem]:
    torch.manual_seed(0)
    seem = Seem(SMALL, "seem-focal-t")
    everything = range(len(scenes))
    talk = SeemDialogueOptions(objects=2, rounds=1, references=0.3, points=128)
    return SeemDialogue(seem, scenes, everything, everything, talk), seem


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, *KINDS]))
def test_a_first_touch_lies_on_the_object(seed: int, kind: str | None) -> None:
    random = np.random.default_rng(seed)
    mask = np.zeros((40, 50), bool)
    top, left = random.integers(0, 30), random.integers(0, 40)
    mask[top : top + random.integers(1, 10), left : left + random.integers(1, 10)] = True
    touched = first_touch(mask, random, kind)
    assert touched.any()
    assert not (touched & ~mask).any()
    if kind == "dots":
        assert touched.sum() <= MOST_DOTS


def test_kinds_of_touch_differ_and_a_click_is_in_the_middle() -> None:
    mask = np.zeros((90, 90), bool)
    mask[10:80, 20:70] = True
    drawn = {kind: first_touch(mask, np.random.default_rng(1), kind) for kind in KINDS}
    centre = drawn["shape"] & (np.hypot(*(np.mgrid[:90, :90] - 45)) < 3)
    assert centre.any()  # a shape is filled, a circle is not
    assert not drawn["circle"][43:47, 43:47].any()
    assert drawn["shape"].sum() > drawn["scribble"].sum() > 0
    assert np.argwhere(click(mask)).min(0).tolist() == [33, 43]  # about row 34, column 44
    assert click(mask).sum() == 9
    with pytest.raises(InputError, match="empty"):
        click(np.zeros((4, 4), bool))


def test_a_scene_is_the_picture_and_its_objects(scenes: Scenes) -> None:
    assert scenes.names == ("red ball", "blue box")
    scene = scenes.read(0)
    assert scene is not None
    assert scene.image.shape == (1, 3, 64, 64)
    assert scene.classes.tolist() == [0, 1]
    rows, columns = np.nonzero(scene.masks[0])
    assert (columns.mean(), rows.mean()) == (20, 20)
    assert scene.image[0, 0][scene.masks[0]].min() > scene.image[0, 0][~scene.masks.any(0)].max()
    assert scenes.with_class(1, but=1) == [0, 2]


def test_a_mirror_turns_picture_and_masks_but_not_the_padding(scenes: Scenes) -> None:
    scene = scenes.read(0)
    assert scene is not None
    wide = SeemScene(
        np.pad(scene.image, [(0, 0)] * 3 + [(0, 32)]),
        np.pad(scene.masks, [(0, 0), (0, 0), (0, 32)]),
        scene.classes,
        scene.phrases,
    )
    turned = wide.mirrored(64)
    assert np.array_equal(turned.image[..., :64], scene.image[..., ::-1])
    assert np.array_equal(turned.masks[..., :64], scene.masks[..., ::-1])
    assert not turned.masks[..., 64:].any()
    assert np.array_equal(turned.mirrored(64).image, wide.image)


def test_a_phrase_names_one_object_and_a_class_all_of_them() -> None:
    masks = np.zeros((3, 4, 4), bool)
    masks[0, 0], masks[1, 1], masks[2, 2] = True, True, True
    image = np.zeros((1, 3, 4, 4), np.float32)
    random = np.random.default_rng(0)
    scene = SeemScene(image, masks, np.array([5, 5, 1]), ((), (), ()))
    phrase, named = scene.saying(0, [""] * 5 + ["wall-other-merged"], random)
    assert phrase.split()[-1] == "wall"
    assert np.array_equal(named, masks[0] | masks[1])
    scene = SeemScene(image, masks, np.array([0, 0, 0]), (("the left one",), ("right",), ("the left one",)))
    assert np.array_equal(scene.saying(1, ["x"], random)[1], masks[1])
    assert np.array_equal(scene.saying(2, ["x"], random)[1], masks[0] | masks[2])


def test_panoptic_segments_unnamed_objects_and_wrong_labels(folder: Path) -> None:
    picture = folder / "images" / "0.png"
    numbers = np.zeros((64, 64), np.int32)
    numbers[:20], numbers[20:40], numbers[40:] = 1, 2, 3
    truth = PanopticTruth(numbers, (1, 0, 1), (False, False, True))
    categories = (Category(1, "ball", True), Category(2, "grass-merged", False))
    sample = Sample(picture, "0", (), panoptic=lambda: truth)
    scenes = Scenes(Dataset("d", "coco", (sample, sample), categories), "seem-focal-t", 64)
    scene = scenes.read(0)
    assert scene is not None
    assert scene.classes.tolist() == [1, 0]  # the crowd is left out
    assert scene.masks[0, :20].all()
    assert scenes.with_class(1, but=1) == [0]
    whole = RLE.encode(np.ones((64, 64), bool))
    unnamed = Scenes(Dataset("d", "x", (Sample(picture, "0", (Target("a", 9, whole),)),)), "seem-focal-t", 64)
    assert unnamed.names == ("object",)
    wrong = Target("a", 9, RLE.encode(np.ones((9, 9), bool)), label="b")
    with pytest.raises(FormatError, match="9 x 9"):
        Scenes(Dataset("d", "x", (Sample(picture, "0", (wrong,)),)), "seem-focal-t", 64).read(0)
    with pytest.raises(FormatError, match="not among"):
        scenes.class_of("cat")


def test_a_small_seem_learns_names_touches_and_phrases(scenes: Scenes, tmp_path: Path) -> None:
    task, seem = small_task(scenes)
    frozen = {name: value.clone() for name, value in seem.state_dict().items() if "predictor" not in name}
    text = seem.text.lang_proj.detach().clone()
    with torch.no_grad():
        before = task.evaluate()
    config = TrainConfig(steps=16, learning_rate=1e-3, warmup=5, clip=5.0, log_every=3, threads=1)
    recipe = Recipe(name="small", task=task, config=config, write=writer(seem, "seem-focal-t", "a test"))
    written = read_safetensors(train(recipe, tmp_path / "run", tmp_path / "small.safetensors", quiet=True))
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    after = rows[-1]
    for name in ("iou_1", "iou_3", "iou_text"):
        assert after[name] > before[name] + 0.3
    assert after["named"] > before["named"]
    assert any("shown_class" in row for row in rows)  # references were learned from, too
    state = seem.state_dict()
    assert all(torch.equal(state[name], value) for name, value in frozen.items())
    assert torch.equal(seem.text.lang_proj, text)
    assert set(written) == set(state)
    assert all(np.array_equal(written[name], value.numpy()) for name, value in state.items())


def test_the_same_chance_gives_the_same_losses(scenes: Scenes) -> None:
    task, _ = small_task(scenes)
    task._talk = SeemDialogueOptions(objects=2, rounds=2, references=1.0, points=64)

    def parts() -> list[dict[str, float]]:
        random = np.random.default_rng(3)
        return [
            {name: float(value.detach()) for name, value in part.items()}
            for part in task.losses(task.batch(random), random)
        ]

    first = parts()
    assert len(first) == 2
    assert set(first[1]) == {"shown_class", "shown_mask", "shown_dice"}
    assert first == parts()


def test_pictures_without_objects_are_refused(scenes: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = small_task(scenes)
    monkeypatch.setattr(scenes, "read", lambda *_: None)
    with pytest.raises(InputError, match="none has an object"):
        task.batch(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"held": 1.0}, "held"),
        ({"references": 2}, "references"),
        ({"objects": 0}, "objects"),
        ({"points": 1}, "points"),
        ({"truth": "boxes"}, "truth"),
        ({"model": "mobile-sam"}, "mobile-sam"),
    ],
)
def test_impossible_options(folder: Path, option: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        find_recipe("seem-finetune").build(folder, **option)


def test_the_command_says_which_weights_are_missing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path))
    given = ["train", "seem-finetune", str(folder), "-o", str(tmp_path / "x.safetensors")]
    monkeypatch.setattr(sys, "argv", ["promptseg", *given])
    with pytest.raises(SystemExit, match="2"):
        app.main()
    assert "The weights of seem-focal-t are not in" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
