import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from toy_run import CONFIG, ToyTask, toy_recipe

from promptseg.errors import InputError, OutputError, PromptsegError, WeightsError
from promptseg.train.config import TrainConfig
from promptseg.train.loop import CHECKPOINT, parameter_groups, train


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    train(toy_recipe(), folder, quiet=True)
    return folder


def same(first: Path, second: Path) -> bool:
    one, two = load_file(first / "result.safetensors"), load_file(second / "result.safetensors")
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_killed_run_goes_on_to_the_same_bits(whole: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("toy_run.py")
    died = subprocess.run([sys.executable, str(script), str(tmp_path), "15"], check=False)
    assert died.returncode == -signal.SIGKILL
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 6  # in the eighth step
    assert not (tmp_path / "result.safetensors").exists()
    left, other = tmp_path / f".{CHECKPOINT}.0123456789abcdef.part", tmp_path / ".x.part"
    left.touch()
    other.touch()
    train(toy_recipe(), tmp_path, quiet=True)
    assert same(whole, tmp_path)
    assert (left.exists(), other.exists()) == (False, True)


def test_a_full_disk_leaves_the_last_checkpoint(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(toy_recipe(), tmp_path, quiet=True, stop_after=4)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def fails(place: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fails)
        with pytest.raises(OutputError, match="No space left"):
            train(toy_recipe(), tmp_path, quiet=True)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert not [*tmp_path.glob(".*.part")]
    train(toy_recipe(), tmp_path, quiet=True)
    assert same(whole, tmp_path)


def test_stopping_and_going_on_step_by_step_is_the_same(whole: Path, tmp_path: Path) -> None:
    for stop in (1, 4, 9):
        assert train(toy_recipe(), tmp_path, quiet=True, stop_after=stop) == tmp_path / CHECKPOINT
    train(toy_recipe(), tmp_path, quiet=True)
    assert same(whole, tmp_path)


def test_another_seed_is_another_run(whole: Path, tmp_path: Path) -> None:
    train(toy_recipe(replace(CONFIG, seed=1)), tmp_path, quiet=True)
    assert not same(whole, tmp_path)


def test_it_learns_and_says_so(tmp_path: Path) -> None:
    train(toy_recipe(replace(CONFIG, steps=120, log_every=20, evaluate_every=60)), tmp_path, quiet=True)
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    trained = [entry for entry in entries if entry["kind"] == "train"]
    assert [entry["step"] for entry in trained] == [20, 40, 60, 80, 100, 120]
    assert trained[-1]["loss"] < 0.5 * trained[0]["loss"]
    assert {"watched", "gradient", "rate", "seconds_per_step"} <= trained[0].keys()
    assert [entry["step"] for entry in entries if entry["kind"] == "evaluate"] == [60, 120]


def test_checkpoints_of_other_runs_and_broken_ones_are_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"10 steps, not of 'toy' with 11"):
        train(toy_recipe(replace(CONFIG, steps=11)), whole, quiet=True)
    (tmp_path / CHECKPOINT).write_bytes((whole / CHECKPOINT).read_bytes()[:2000])
    with pytest.raises(WeightsError, match="no checkpoint"):
        train(toy_recipe(), tmp_path, quiet=True)
    other = toy_recipe()
    assert isinstance(other.task, ToyTask)
    other.task.model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 1))
    with pytest.raises(InputError, match="does not fit"):
        train(other, whole, quiet=True)


def test_a_run_that_diverges_says_so(tmp_path: Path) -> None:
    recipe = toy_recipe()
    with torch.no_grad():
        next(recipe.task.model.parameters()).fill_(float("nan"))
    with pytest.raises(PromptsegError, match="Lower the learning rate"):
        train(recipe, tmp_path, quiet=True)


def test_bfloat16_trains_float32_weights(whole: Path, tmp_path: Path) -> None:
    train(toy_recipe(replace(CONFIG, precision="bfloat16")), tmp_path, quiet=True)
    weights = load_file(tmp_path / "result.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert not same(whole, tmp_path)


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Two ranks with the same stream must do what one does; with streams of their own they must agree."""
    script = Path(__file__).with_name("two_ranks.py")
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen([sys.executable, str(script), str(tmp_path), str(rank)], env=environment) for rank in (0, 1)
    ]
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert len(torch.load(tmp_path / CHECKPOINT, weights_only=True)["random"]) == 2
    with pytest.raises(InputError, match="written by 2 processes"):
        train(toy_recipe(), tmp_path, quiet=True)


def test_two_processes_that_share_batches_do_what_one_does(tmp_path: Path) -> None:
    """Each step's batches are the same, whoever draws them: only the order of the sums differs."""
    script = Path(__file__).with_name("two_ranks.py")
    ranks = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path), str(rank), "shared"],
            env=os.environ | {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"},
        )
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    alone = toy_recipe(replace(CONFIG, shared=True), calm=True)
    start = {name: value.clone() for name, value in alone.task.model.state_dict().items()}
    train(alone, tmp_path / "alone", quiet=True)
    together = load_file(tmp_path / "0.safetensors")
    for name, value in alone.task.model.state_dict().items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-5)
    moved = max(float((value - start[name]).abs().max()) for name, value in together.items())
    assert moved > 0.01


def test_batches_that_cannot_be_shared_out_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptseg.train.ranks.count", lambda: 3)
    with pytest.raises(InputError, match="2 batches cannot be shared out among 3 processes"):
        train(toy_recipe(replace(CONFIG, shared=True)), tmp_path, quiet=True)


def test_norms_biases_and_embeddings_are_spared_from_decay() -> None:
    model = nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 4), nn.LayerNorm(4))
    model[1].bias.requires_grad_(False)
    config = TrainConfig(steps=1, learning_rate=1, weight_decay=0.1)
    groups = parameter_groups(model, config, lambda name: 0.5 if name.startswith("1.") else 1.0)
    found = {(g["scale"], g["weight_decay"]): [tuple(p.shape) for p in g["params"]] for g in groups}
    assert found == {(1.0, 0.0): [(3, 4), (4,), (4,)], (0.5, 0.1): [(4, 4)]}
    with pytest.raises(InputError, match="nothing to train"):
        parameter_groups(model.requires_grad_(False), config, lambda _: 1.0)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1, 1, 1, 1, 1]),
        ("steps", [0.5, 1, 1, 0.1, 0.1, 0.01]),
        ("cosine", [0.5, 1, 1, 0.75, 0.25, 0]),
    ],
)
def test_schedules(schedule: str, expected: list[float]) -> None:
    config = TrainConfig(steps=6, learning_rate=1, warmup=2, final=0, milestones=(0.5, 0.8)).changed(schedule=schedule)
    assert [config.rate_at(step) for step in range(6)] == pytest.approx(expected)


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": "fast"},
        {"ema": 1.0},
        {"clip": -1},
        {"schedule": "linear"},
        {"precision": "float16"},
        {"threads": 0},
        {"momentum": 0.9},
    ],
)
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(bad)) + "|learning rate"):
        CONFIG.changed(**bad)


def test_one_process_trains_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fcntl")
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "engine")
    from fakes_for_engine import make_project

    from promptseg.engine.training import train_project
    from promptseg.files import claim

    with make_project(tmp_path, 1) as project:
        with claim(project.folder / "training.lock", ""), pytest.raises(OutputError, match="Another process trains"):
            train_project(project)
        with pytest.raises(InputError, match="no accepted mask"):
            train_project(project)
