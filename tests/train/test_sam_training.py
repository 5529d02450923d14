"""From a folder of labelled pictures to weights that `--weights` takes, with the real network on two small pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image as PIL
from torch import nn

from promptseg.cli.app import app
from promptseg.datasets.open import open_dataset
from promptseg.errors import InputError, WeightsError
from promptseg.models.network import Network
from promptseg.models.tensors import read_safetensors
from promptseg.train import pictures
from promptseg.train.adapters import add_adapters, merged_state
from promptseg.train.dialogue import DialogueBatch, DialogueOptions, SamDialogue, _Dialogue
from promptseg.train.recipes import RECIPES, find_recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of bright discs, with their instance maps."""
    root = tmp_path_factory.mktemp("discs")
    for kind in ("images", "instances"):
        (root / kind).mkdir()
    rows, columns = np.mgrid[:48, :64]
    for number, centres in enumerate([((20, 20), (40, 24)), ((30, 30),)]):
        instances = np.zeros((48, 64), np.uint8)
        for index, (x, y) in enumerate(centres, 1):
            instances[(columns - x) ** 2 + (rows - y) ** 2 < 64] = index
        PIL.fromarray(np.stack([60 + 150 * (instances > 0)] * 3, -1).astype(np.uint8)).save(
            root / "images" / f"{number}.png"
        )
        PIL.fromarray(instances).save(root / "instances" / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def lessons(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return pictures.prepare(open_dataset(folder), tmp_path_factory.mktemp("lessons"), None, name="discs")


def test_pictures_are_prepared_once(folder: Path, lessons: list[Path]) -> None:
    first = pictures.read(lessons[0])
    assert first.features is None
    assert first.picture == folder / "images" / "0.png"
    assert first.masks.shape == (2, 256, 256)
    assert first.counted[:192].all()
    assert not first.counted[192:].any()  # 48 of 64 rows: the rest is padding
    ys, xs = np.nonzero(first.masks[0] > 0.5)
    assert (xs.mean() / 4, ys.mean() / 4) == pytest.approx((20.4, 20.4), abs=0.3)
    times = [path.stat().st_mtime_ns for path in lessons]
    again = pictures.prepare(open_dataset(folder), lessons[0].parent, None, name="discs")
    assert [path.stat().st_mtime_ns for path in again] == times
    assert first.encoder_input().shape == (1, 3, 1024, 1024)


@pytest.mark.filterwarnings("ignore::promptseg.notes.Note")
def test_damaged_files_and_tiny_objects_are_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(WeightsError, match="damaged"):
        pictures.read(tmp_path / "x.npz")
    for kind in ("images", "instances"):
        (tmp_path / kind).mkdir()
        picture = np.zeros((500, 500), np.uint8)
        picture[3, 3] = 1
        PIL.fromarray(picture).save(tmp_path / kind / "a.png")
    with pytest.raises(InputError, match="nothing to learn"):
        pictures.prepare(open_dataset(tmp_path), tmp_path / "c", None, name="a")


@pytest.mark.parametrize(("count", "share", "held"), [(10, 0.1, 1), (10, 0.3, 3), (2, 0.1, 1), (1, 0.5, 0), (9, 0, 0)])
def test_split(count: int, share: float, held: int) -> None:
    paths = [Path(str(number)) for number in range(count)]
    train, kept = pictures.split(paths, share)
    assert len(kept) == held
    assert sorted(train + kept) == sorted(paths)


class Oracle(nn.Module):
    """Answers as a perfect or a silent network would, and notes what it was told."""

    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.image_encoder = nn.Identity()
        self.weight = nn.Parameter(torch.ones(1))
        self.answer, self.heard = answer, []

    def predict_masks(self, embedding, points, labels, memory):
        self.heard.append((points, labels, memory))
        logits = self.weight * self.answer[:, None].expand(-1, 4, -1, -1)
        return logits, self.weight * torch.tensor([[0.1, 0.2, 0.9, 0.3]]).expand(len(logits), 4)


def dialogue(lessons: list[Path], answer: float, talk: DialogueOptions) -> tuple[Oracle, SamDialogue, DialogueBatch]:
    lesson = pictures.read(lessons[0])
    lesson = pictures.Lesson(np.zeros((1, 256, 64, 64), np.float32), lesson.masks, lesson.counted, lesson.picture)
    oracle = Oracle(torch.tensor(lesson.masks - 0.5) * answer)
    return oracle, SamDialogue(oracle, [(1, lessons)], [], talk), DialogueBatch(lesson, lesson.masks, "click")  # type: ignore[arg-type]


def test_a_wrong_answer_is_corrected_with_its_memory(lessons: list[Path]) -> None:
    oracle, task, batch = dialogue(lessons, -20.0, DialogueOptions(rounds=(3,), learned=2, careful=1))
    parts = list(task.losses(batch, np.random.default_rng(0)))
    assert len(parts) == 3
    assert set(parts[0]) == {"mask", "score", "choice", "first", "best"}
    assert set(parts[1]) == {"mask", "score"}
    assert oracle.heard[0][1][0].tolist() == [1, -1]
    last_points, last_labels, memory = oracle.heard[2]
    assert last_labels.shape == (2, 4)
    assert memory.shape == (2, 1, 256, 256)
    # Everything was wrong: what was missed lies in the disc, what was added outside it.
    for (x, y), label in zip(last_points[0, 2:].tolist(), last_labels[0, 2:].tolist(), strict=True):
        assert (batch.masks[0, int(y / 4), int(x / 4)] > 0.5) == (label == 1)
    assert parts[0]["mask"].requires_grad


def test_nobody_clicks_on_a_perfect_answer(lessons: list[Path]) -> None:
    oracle, task, batch = dialogue(lessons, 20.0, DialogueOptions(rounds=(2,), careful=1))
    parts = list(task.losses(batch, np.random.default_rng(0)))
    assert parts[0]["first"].item() == parts[0]["best"].item() == 1
    assert parts[0]["choice"].item() == pytest.approx(0, abs=1e-6)
    assert oracle.heard[1][1].tolist() == [[1, -1, -2]] * 2


@pytest.mark.parametrize(("start", "labels"), [("box", [2, 3]), ("outline", [1, 2, 3])])
def test_other_beginnings(lessons: list[Path], start: str, labels: list[int]) -> None:
    lesson = pictures.read(lessons[0])
    talk = _Dialogue(DialogueBatch(lesson, lesson.masks, start), np.random.default_rng(0), 1.0)  # type: ignore[arg-type]
    assert talk.labels.tolist() == [labels] * 2
    assert not talk.ambiguous
    assert (talk.memory is not None) == (start == "outline")
    box = talk.points[0, -2:].ravel() / 16  # to pixels of the picture
    assert box == pytest.approx([12.5, 12.5, 28, 28], abs=3)


def test_adapters_start_as_nothing_and_are_merged() -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.ModuleDict({"attn": nn.ModuleDict({"qkv": nn.Linear(8, 24)}), "neck": nn.Linear(24, 4)})

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.block["neck"](self.block["attn"]["qkv"](x))

    torch.manual_seed(0)
    encoder, x = Encoder(), torch.randn(5, 8)
    before, names = encoder(x), set(encoder.state_dict())
    assert add_adapters(encoder, 2) == 1
    assert torch.equal(encoder(x), before)
    (encoder(x) ** 2).sum().backward()
    adapted = encoder.block["attn"]["qkv"].parametrizations.weight
    assert adapted[0].up_OR.grad is not None
    assert adapted.original.grad is None
    with torch.no_grad():
        adapted[0].up_OR.normal_()
    after, plain = encoder(x), Encoder()
    merged = merged_state(encoder)
    assert set(merged) == names
    plain.load_state_dict(merged)
    assert torch.allclose(plain(x), after, atol=1e-6)
    assert not torch.allclose(after, before)
    with pytest.raises(InputError, match="from 1 to 64"):
        add_adapters(encoder, 0)
    with pytest.raises(InputError, match="no attention"):
        add_adapters(nn.Sequential(nn.Linear(2, 2)), 1)


def test_finetuning_by_command(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "discs.safetensors"
    arguments = ["train", "sam-finetune", str(folder), "-o", str(output), "--steps", "1", "--threads", "1"]
    settings = [
        "rounds=[1]",
        "objects=1",
        "accumulate=1",
        f"cache={tmp_path / 'cache'}",
        "learning_rate=1e-3",
        "warmup=0",
    ]
    told = CliRunner().invoke(app, arguments + [part for text in settings for part in ("--set", text)])
    assert told.exit_code == 0, told.output
    assert str(output) in told.stdout
    log = [json.loads(line) for line in (tmp_path / "discs.safetensors.run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["kind"] == "evaluate"
    assert 0 <= log[-1]["iou_1"] <= log[-1]["best_of_three"] <= 1
    old, new = Network.load().answering, read_safetensors(output)
    assert old.keys() == new.keys()
    changed = {name for name in old if not np.array_equal(old[name], new[name])}
    assert changed
    assert all(name.startswith(("mask_decoder.", "prompt_encoder.")) for name in changed)
    assert Network.load(weights=output).clicks == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sam-finetun", "DATA", "-o", "x"], "Recipes: sam-finetune, sam-clicks"),
        (["sam-finetune", "nowhere", "-o", "x"], "nowhere is none"),
        (["sam-finetune", "DATA", "-o", "DATA"], "-o names the file"),
        (["sam-finetune", "DATA", "-o", "x", "--set", "steps"], "NAME=VALUE"),
        (["sam-finetune", "DATA", "-o", "x", "--set", "held=2"], "held is a share"),
        (["sam-clicks", "DATA", "-o", "x"], "lacks coco, voc, ccp, nuclei"),
    ],
)
def test_bad_commands(folder: Path, arguments: list[str], message: str) -> None:
    given = [str(folder) if text == "DATA" else text for text in arguments]
    told = CliRunner().invoke(app, ["train", *given])
    assert isinstance(told.exception, InputError)
    assert message in str(told.exception)


def test_every_recipe_says_what_it_is() -> None:
    for name in RECIPES:
        assert find_recipe(name.replace("-", "_")).summary.endswith(".")
