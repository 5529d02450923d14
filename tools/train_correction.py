"""Trains the network that chooses the answer to a correcting click, and writes it into the package.

    python tools/train_correction.py talk DATA --cache DIR   # dialogues about the training pictures; resumable
    python tools/train_correction.py fit --cache DIR         # trains, says how held-out pictures fare, writes the file

DATA, and the prepared pictures in --lessons, are those of tools/train_choice.py. The simulated user clicks the deepest
place of the larger error, now and then any wrong place. What the session takes as its answer is mostly the usual
candidate, and now and then another one, so that bad masks occur and their repair is learned.
"""

import argparse
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from train_choice import MODEL, prepared, write

from promptseg.hands import prompts
from promptseg.models.companions.choice import Choice
from promptseg.models.companions.correction import (
    BEFORE,
    CANDIDATES,
    DRAWN,
    FEATURES,
    FOLLOWED,
    MARGIN,
    features,
)
from promptseg.models.network import Network
from promptseg.runtimes.factory import create_runtime
from promptseg.runtimes.protocol import DecoderInputs, Runtime
from promptseg.segment.places.refine import SETTLED
from promptseg.train import pictures

OBJECTS, ROUNDS, LEAST, ENOUGH = 2, 9, 60, 0.97
ANY_CLICK, ANY_FIRST, ANY_LATER, BEST_LATER = 0.15, 0.2, 0.25, 0.1
HIDDEN, STEPS, BATCH, RATE, DROP = (48, 32), 3000, 256, 2e-3, 0.15

FALL = 1.0
"""How much a candidate is marked down for what it would fall below the mask so far."""

Float32 = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


def talk(lessons: list[Path], cache: Path, runtime: Runtime) -> None:
    """Holds dialogues about objects of prepared pictures and stores what the candidates look like and are worth."""
    cache.mkdir(parents=True, exist_ok=True)
    for done, path in enumerate(lessons):
        target = cache / f"{path.stem}.npz"
        if not target.exists():
            random = np.random.default_rng(zlib.crc32(path.stem.encode()))
            found = [row for dialogue in _dialogues(path, random, runtime) for row in dialogue]
            x, ious = ([row[part] for row in found] for part in (0, 1))
            shape = (-1, CANDIDATES, FEATURES)
            np.savez(target, features=np.reshape(x, shape), ious=np.reshape(ious, shape[:2]))
        if done % 20 == 0:
            print(f"{done} of {len(lessons)} pictures", flush=True)


def _dialogues(
    path: Path, random: np.random.Generator, runtime: Runtime
) -> list[list[tuple[Float32, Float32]]]:
    lesson = pictures.read(path)
    assert lesson.features is not None  # noqa: S101 - prepared with a runtime
    assert runtime.choice is not None  # noqa: S101 - MODEL has one
    with np.load(path) as stored:
        height, width = (-(-int(side) // 4) for side in stored["resized"])
    counted = lesson.counted[:height, :width]
    found = []
    for index in random.permutation(len(lesson.masks))[:OBJECTS]:
        truth = lesson.masks[index][:height, :width]
        if ((truth > 0.5) & (counted > 0)).sum() >= LEAST:
            found.append(_dialogue(lesson.features, truth, counted, random, runtime, runtime.choice))
    return found


def _dialogue(
    embedding: Float32,
    truth: Float32,
    counted: Float32,
    random: np.random.Generator,
    runtime: Runtime,
    choice: Choice,
) -> list[tuple[Float32, Float32]]:
    height, width = truth.shape
    inside, known = truth > 0.5, counted > 0
    before, score, guess = None, 0.0, np.zeros_like(inside)
    clicks: list[tuple[float, float, float]] = []
    rows: list[tuple[Float32, Float32]] = []
    for number in range(ROUNDS):
        click = prompts.correction(
            guess, inside, random, counted=known, deepest=1 - ANY_CLICK if number else 1.0
        )
        if click is None:
            break
        clicks.append((click[0], click[1], float(click[2])))
        points = np.array([[*((4 * x, 4 * y) for x, y, _ in clicks), (0, 0)]], np.float32)
        labels = np.array([[*(int(sign) for *_, sign in clicks), -1]])
        memory = None if before is None else before[None, None]
        answers = runtime.decode(embedding, DecoderInputs(points, labels, memory))
        logits, scores = answers.logits[0], answers.scores[0]
        if before is None:
            chosen = 1 + choice.best(logits[1:, :height, :width], scores[1:], clicks[0][:2])
            if random.random() < ANY_FIRST:
                chosen = int(random.integers(len(logits)))
            before, score = logits[chosen], float(scores[chosen])
        else:
            drawn, was = logits[DRAWN] > 0, before > 0
            undone = was & ~drawn if click[2] else drawn & ~was
            candidates = np.stack([*logits, np.where(undone, before, logits[DRAWN]), before])
            worth = np.array([*scores, scores[DRAWN], score], np.float32)
            shown = candidates[:, :height, :width]
            ious = _ious(shown > 0, truth, counted)
            rows.append((features(shown, worth, np.array(clicks, np.float32), number), ious))
            alike = (drawn & was).sum() / max(1, (drawn | was).sum())
            chosen = DRAWN if alike >= SETTLED else FOLLOWED
            dice = random.random()
            if dice < ANY_LATER:
                chosen = int(random.integers(CANDIDATES))
            elif dice < ANY_LATER + BEST_LATER:
                chosen = int(ious[:BEFORE].argmax())
            before, score = candidates[chosen], float(worth[chosen])
        guess = before[:height, :width] > 0
        if _ious(guess[None], truth, counted)[0] > ENOUGH:
            break
    return rows


def _ious(masks: BoolArray, truth: Float32, counted: Float32) -> Float32:
    both = (masks * truth * counted).sum((1, 2))
    either = (masks * counted).sum((1, 2)) + (truth * counted).sum() - both
    return (both / np.maximum(either, 1e-6)).astype(np.float32)


def fit(cache: Path, *, held: int = 5) -> None:
    """Trains on all pictures but every fifth, says how those fare; then trains on all and writes the file."""
    groups, x, ious = [], [], []
    for path in sorted(cache.glob("*.npz")):
        with np.load(path) as stored:
            x.append(stored["features"].astype(np.float32))
            ious.append(stored["ious"].astype(np.float32))
        groups += [path.stem] * len(x[-1])
    inputs, truths = np.concatenate(x), np.concatenate(ious)
    sets = np.array([group.split("_")[0] for group in groups])
    out = np.array([zlib.crc32(group.encode()) % held == 0 for group in groups])
    weights = np.array([1 / (sets == name).sum() for name in sets])
    network, mean, deviation = _train(inputs[~out], truths[~out], weights[~out])
    with torch.no_grad():
        scaled = torch.tensor((inputs - mean) / deviation, dtype=torch.float32)
        worth = network(scaled)[..., 0].sigmoid().numpy()
    each = np.arange(len(inputs))
    usual = np.where(inputs[:, DRAWN, 4] < SETTLED, FOLLOWED, DRAWN)
    best = worth.argmax(1)
    chosen = np.where(worth[each, best] > worth[each, usual] + MARGIN, best, usual)
    for name in sorted(set(sets)):
        rows = out & (sets == name)
        say = [name, str(rows.sum())]
        for title, answer in (("usual", usual), ("chosen", chosen), ("oracle", truths.argmax(1))):
            iou = truths[each, answer][rows]
            fall = np.maximum(0, truths[rows, BEFORE] - iou).mean()
            say.append(f"{title} {iou.mean():.3f}, falls {fall:.4f}")
        print("; ".join(say))
    write("later", *_train(inputs, truths, weights))


def _train(
    x: np.ndarray, truths: np.ndarray, weights: np.ndarray
) -> tuple[nn.Sequential, np.ndarray, np.ndarray]:
    """Foretells worth, and maximises that of a candidate drawn by the softmax of the outputs."""
    torch.manual_seed(0)
    mean, deviation = x.reshape(-1, FEATURES).mean(0), x.reshape(-1, FEATURES).std(0) + 1e-3
    first, second = HIDDEN
    network = nn.Sequential(
        nn.Linear(FEATURES, first),
        nn.ReLU(),
        nn.Dropout(DROP),
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Dropout(DROP),
        nn.Linear(second, 1),
    )
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, STEPS)
    inputs = torch.tensor((x - mean) / deviation, dtype=torch.float32)
    falls = np.maximum(0, truths[:, BEFORE:] - truths)
    worth, chances = torch.tensor(np.maximum(0, truths - FALL * falls)), torch.tensor(weights)
    for _ in range(STEPS):
        rows = torch.multinomial(chances, BATCH, replacement=True)
        outputs = network(inputs[rows])[..., 0]
        loss = 3 * nn.functional.mse_loss(outputs.sigmoid(), worth[rows])
        loss = loss - ((4 * outputs).softmax(1) * worth[rows]).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval(), mean, deviation


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("talk", "fit"))
    parser.add_argument("data", type=Path, nargs="?", help="with talk: the folder of training sets")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--lessons", type=Path, help="folder of prepared pictures; by default inside --cache")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    if given.step == "fit":
        return fit(given.cache)
    if given.data is None:
        parser.error("talk needs the folder of training sets")
    lessons = prepared(given.data, given.lessons or given.cache / "lessons", given.threads)
    talk(lessons, given.cache, create_runtime(Network.load(MODEL), threads=given.threads))


if __name__ == "__main__":
    main()
