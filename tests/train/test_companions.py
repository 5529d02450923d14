"""The small networks beside the decoder, each trained for a few steps on drawn discs and read as the package's are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image as PIL

from promptseg.arrays import Float32
from promptseg.cli.app import app
from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.models.companions.choice import FEATURES, Choice
from promptseg.models.companions.correction import CANDIDATES
from promptseg.models.companions.correction import FEATURES as OF_CANDIDATE
from promptseg.models.companions.objectness import ObjectnessHead
from promptseg.models.companions.retouch import RetouchNetwork
from promptseg.models.companions.retouch_network import Retouch
from promptseg.models.network import DEFAULT_MODEL, Network
from promptseg.models.registry import get_card, loaded
from promptseg.runtimes.protocol import DecoderInputs, DecoderOutputs, ScoutAnswer
from promptseg.train import pictures
from promptseg.train.recipes import find_recipe
from promptseg.train.recipes.companions import correction, retouch
from promptseg.train.recipes.companions.dialogues import SIDE, RecordedDialogue, draw, mirrored

PICTURES = {"coco": 1, "voc": 1, "ccp": 1, "nuclei": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each kind, with pictures of two discs that lie on a gradient."""
    root = tmp_path_factory.mktemp("kinds")
    rows, columns = np.mgrid[:72, :96]
    for kind, count in PICTURES.items():
        for part in ("images", "instances"):
            (root / kind / part).mkdir(parents=True)
        for number in range(count):
            instances = np.zeros((72, 96), np.uint8)
            for index, x in enumerate((26, 68), 1):
                instances[(columns - x) ** 2 + (rows - 30 - 6 * number) ** 2 < 180] = index
            picture = (40 + columns + 70 * (instances == 1) + 90 * (instances == 2)).clip(0, 255)
            picture[::3] = 20  # lines across the discs, so that one click does not find them
            PIL.fromarray(np.stack([picture] * 3, -1).astype(np.uint8)).save(root / kind / f"images/{number}.png")
            PIL.fromarray(instances).save(root / kind / f"instances/{number}.png")
    return root


class Discs:
    """A runtime that answers with discs of four sizes about clicks on the object, less what is near the others."""

    threads, precision = 1, "float32"

    def __init__(self, network: Network) -> None:
        self.network = network

    def encode(self, image: Float32) -> Float32:
        return np.broadcast_to(image[:, :1, ::16, ::16], (1, 256, 64, 64)).astype(np.float32) / 10

    def decode(self, embedding: Float32, inputs: DecoderInputs, *, official: bool = False) -> DecoderOutputs:
        y, x = np.mgrid[:256, :256].astype(np.float32) + 0.5
        answers = np.full((len(inputs.points), 4, 256, 256), -9, np.float32)
        for answer, places, labels in zip(answers, inputs.points / 4, inputs.labels, strict=True):
            for (left, top), label in zip(places, labels, strict=True):
                away = np.hypot(x - left, y - top)
                for mask, radius in zip(answer, (24, 12, 40, 90), strict=True):
                    if label == 1:
                        np.maximum(mask, (radius - away).clip(-9, 9), out=mask)
                    elif label == 0:
                        np.minimum(mask, (away - radius / 2).clip(-9, 9), out=mask)
        scores = np.tile(np.array([[0.8, 0.7, 0.9, 0.6]], np.float32), (len(answers), 1))
        return DecoderOutputs(answers, scores)

    def view(self, embedding: Float32, resized: Size) -> Size:
        return resized

    def scout(self, view: Size, point: Float32, worth: float) -> ScoutAnswer:
        answers = self.decode(np.zeros(1, np.float32), DecoderInputs(point[None, None], np.array([[1]], np.int64)))
        small = point[0] < view.width / 2
        return ScoutAnswer(answers.scores[0, 1:] + 0.1, answers.logits[0, 1:] if small else None)


@pytest.fixture(autouse=True)
def discs(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("choice", "objectness", "retouch"):
        monkeypatch.setattr(f"promptseg.train.recipes.companions.{module}.create_runtime", Discs)
    monkeypatch.setattr(correction, "ROUNDS", 4)
    monkeypatch.setattr(retouch, "TALK", (1, 3))


def trained(recipe: str, data: Path, output: Path, *more: str) -> dict[str, Any]:
    """Trains by command; returns the last line of the log."""
    arguments = ["train", recipe, str(data), "-o", str(output), "--steps", "2", "--threads", "1", "--overwrite"]
    arguments += ["--run", f"{output}.{recipe}.run"]
    settings = ("held=0.5", "warmup=0", *more)
    told = CliRunner().invoke(app, arguments + [part for text in settings for part in ("--set", text)])
    assert told.exit_code == 0, (told.output, told.exception)
    return json.loads(Path(f"{output}.{recipe}.run/log.jsonl").read_text().splitlines()[-1])


def numbers(shape: tuple[int, ...]) -> Float32:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_the_two_choosing_networks_share_a_file(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "choice.json"
    told = trained("choice", data, output)
    assert 0 <= told["nuclei best score"] <= told["nuclei best"] <= 1
    first, package = Choice.read(output), loaded(Choice.read, get_card(DEFAULT_MODEL).companions.choice)
    assert package is not None
    clicks = numbers((3, FEATURES))
    assert first.first(clicks).shape == (3, 3)
    assert not np.array_equal(first.first(clicks), package.first(clicks))
    candidates = numbers((CANDIDATES, OF_CANDIDATE))
    assert np.array_equal(first.later(candidates), package.later(candidates))

    told = trained("correction", data, output, "learning_rate=0.01")
    assert {"nuclei usual", "nuclei chosen", "nuclei best", "nuclei usual falls"} <= told.keys()
    both = Choice.read(output)
    assert np.array_equal(both.first(clicks), first.first(clicks))
    assert both.later(candidates).shape == (CANDIDATES, 1)
    assert not np.array_equal(both.later(candidates), package.later(candidates))


def test_clicks_are_recorded_once(data: Path, tmp_path: Path) -> None:
    recipe = find_recipe("choice").build(data, cache=str(tmp_path), held=0.5)
    (folder,) = tmp_path.glob("choice-*")
    stored = sorted(folder.iterdir())
    assert len(stored) == sum(PICTURES.values())
    with np.load(stored[0]) as clicks:  # two discs, clicked at three places each
        assert clicks["features"].shape == (6, FEATURES)
        assert clicks["ious"].shape == (6, 3)
    times = [path.stat().st_mtime_ns for path in stored]
    again = find_recipe("choice").build(data, cache=str(tmp_path), held=0.5)
    assert [path.stat().st_mtime_ns for path in stored] == times
    first, second = (task.batch(np.random.default_rng(3)) for task in (recipe.task, again.task))
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))


def test_objectness(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "head.safetensors"
    told = trained("objectness", data / "nuclei", output, "points=4")
    assert told["tried at 0.05"] >= told["tried at 0.4"]
    head = ObjectnessHead.read(output)
    features = numbers((1, 256, 64, 64))
    recipe = find_recipe("objectness").build(data / "nuclei", points=4)
    recipe.task.model.load_state_dict(
        {
            f"{2 * layer}.{name}": torch.from_numpy(array.copy())
            for name, arrays in (("weight", head.weights), ("bias", head.biases))
            for layer, array in enumerate(arrays)
        }
    )
    with torch.no_grad():
        expected = recipe.task.model(torch.from_numpy(features) * 5).sigmoid()[0, 0].numpy()
    assert np.allclose(head.chances(features), expected, atol=1e-3)


def test_retouch_goes_on_with_its_own_masks(data: Path, tmp_path: Path) -> None:
    plain, output = tmp_path / "plain.safetensors", tmp_path / "own.safetensors"
    told = trained("retouch", data, plain)
    assert {"before", "SAM's", "retouched", "after one click more"} <= told.keys()
    shipped = loaded(RetouchNetwork.read, get_card(DEFAULT_MODEL).companions.retouch)
    assert shipped is not None
    first = RetouchNetwork.read(plain)
    assert {name: array.shape for name, array in first.tensors.items()} == {
        name: array.shape for name, array in shipped.tensors.items()
    }
    trained("retouch", data, output, f"start={plain}")
    assert len(list((data / ".promptseg-train").glob("retouch-*"))) == 2
    second = RetouchNetwork.read(output)
    assert any(not np.array_equal(array, first.tensors[name]) for name, array in second.tensors.items())
    Retouch().load_state_dict({name: torch.tensor(array) for name, array in second.tensors.items()})


def dialogue() -> RecordedDialogue:
    """Two clicks on a square; SAM has missed its right half, and what was shown before its left half."""
    truth = np.zeros((40, 60), np.float16)
    truth[10:30, 20:40] = 1
    answers = np.full((2, 2, 40, 60), -5, np.float16)
    answers[0, :, 10:30, 30:40] = answers[1, :, 10:30, 20:30] = 5
    shades = np.arange(80 * 120 * 3, dtype=np.uint32).reshape(80, 120, 3).astype(np.uint8)
    embedding = np.arange(64 * 64, dtype=np.float16).reshape(1, 64, 64).repeat(256, 0)
    clicks = np.array([(35, 20, 1), (25, 20, 1)], np.float32)
    return RecordedDialogue(shades, embedding, truth, np.ones((40, 60), bool), clicks, answers)


def test_a_window_asks_about_the_newest_click() -> None:
    window = draw(dialogue(), 1, None)
    assert window.place == (slice(0, SIDE), slice(0, SIDE))
    assert window.part(window.dialogue.truth).sum() == 400
    assert window.logits[20, 25] == 5
    assert window.before[20, 35] == 5
    assert len(window.clicks) == 2
    after = window.again(window.part(window.logits > 0) * 10 - 5)
    assert after is not None
    x, y, sign = after.clicks[-1]
    assert window.dialogue.truth[int(y), int(x)] == sign == 1
    assert window.logits[int(y), int(x)] < 0
    assert window.again(window.part(window.dialogue.truth) - 0.5) is None


def test_mirrored_windows_and_lights() -> None:
    random = np.random.default_rng(1)
    windows = [draw(dialogue(), 1, random) for _ in range(8)]
    assert len({window.mirrored for window in windows}) == 2
    assert len({window.light for window in windows}) == 8
    row = np.arange(SIDE, dtype=np.float32)[None]
    for window, turned in zip(windows, mirrored(windows, [row] * 8), strict=True):
        assert np.array_equal(turned, row[:, ::-1] if window.mirrored else row)


def test_ious_count_what_is_known() -> None:
    truth = np.array([[1, 1, 0, 0.5]], np.float32)
    counted = np.array([[1, 0, 1, 1]], np.float32)
    masks = np.array([[[1, 0, 0, 0]], [[1, 1, 1, 1]], [[0, 1, 0, 0]]], bool)
    assert pictures.ious(masks, truth, counted).tolist() == pytest.approx([1 / 1.5, 1.5 / 3, 0])


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("choice", "lacks coco, voc, ccp"),
        ("correction", "lacks coco, voc, ccp"),
        ("retouch", "lacks coco, voc, ccp"),
        ("objectness", "no pictures"),
    ],
)
def test_data_that_cannot_be_learned_from(recipe: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "nuclei").mkdir()
    with pytest.raises(InputError, match=message):
        find_recipe(recipe).build(tmp_path)
