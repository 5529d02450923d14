"""The network that chooses the answer to a correcting click."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from promptseg.arrays import Float32, Int64
from promptseg.hands import prompts
from promptseg.models.companions.choice import Choice
from promptseg.models.companions.correction import BEFORE, CANDIDATES, DRAWN, FOLLOWED, MARGIN, features
from promptseg.models.registry import get_card, loaded
from promptseg.runtimes.protocol import DecoderInputs, Runtime
from promptseg.segment.places.refine import SETTLED
from promptseg.train import pictures
from promptseg.train.config import TrainConfig
from promptseg.train.pictures import Lesson
from promptseg.train.recipes.companions.choice import MODEL, ChoosingNetwork, ChoosingTask, record
from promptseg.train.task import Recipe

OBJECTS, ROUNDS, LEAST, ENOUGH = 2, 9, 60, 0.97
"""Objects of a picture, clicks on each, the cells of the smallest, and the IoU at which nobody clicks any more."""
ANY_CLICK, ANY_FIRST, ANY_LATER, BEST_LATER = 0.15, 0.2, 0.25, 0.1
"""How often a click goes to any wrong place, and how often any first answer, any later one, or the best is taken."""
FALL = 1.0
"""How much a candidate is marked down for what it would fall below the mask so far."""


def correction(data: Path, *, cache: str | None = None, held: float = 0.2) -> Recipe:
    """Trains the network that chooses the answer to a correcting click.

    The simulated user clicks the deepest place of the larger error, now and then any wrong place. What the dialogue
    takes as its answer is mostly the usual candidate, and now and then another one, so that bad masks occur and their
    repair is learned. The written file (JSON) is that of the package: the network for first clicks stays as it is.

    See `choice` for the arguments and errors.
    """
    learned, measured = record(data, cache, "correction", correct_objects, held)
    network = ChoosingNetwork(learned, (48, 32), 1, drop=0.15)
    task = CorrectionTask(network, learned, measured, dict.fromkeys(learned, 1.0))
    config = TrainConfig(
        steps=3000, learning_rate=2e-3, warmup=900, final=0.0, weight_decay=0.01, clip=0.0, save_every=500
    )
    return Recipe(name="correction", task=task, config=config, write=task.write)


def correct_objects(lesson: Lesson, runtime: Runtime, random: np.random.Generator) -> list[tuple[Float32, Float32]]:
    """Holds dialogues about objects of a picture; returns features and IoUs of each correction's candidates."""
    choice = loaded(Choice.read, get_card(MODEL).companions.choice)
    assert choice is not None  # noqa: S101 - it is in the package
    height, width = lesson.extent
    counted = lesson.counted[:height, :width]
    found: list[tuple[Float32, Float32]] = []
    for index in random.permutation(len(lesson.masks))[:OBJECTS]:
        truth = lesson.masks[index][:height, :width]
        if ((truth > 0.5) & (counted > 0)).sum() >= LEAST:
            found += _dialogue(lesson, truth, counted, random, runtime, choice)
    return found


def _dialogue(
    lesson: Lesson, truth: Float32, counted: Float32, random: np.random.Generator, runtime: Runtime, choice: Choice
) -> list[tuple[Float32, Float32]]:
    assert lesson.features is not None  # noqa: S101 - prepared with a runtime
    height, width = truth.shape
    inside, known = truth > 0.5, counted > 0
    before, score, guess = None, 0.0, np.zeros_like(inside)
    clicks: list[tuple[float, float, float]] = []
    rows: list[tuple[Float32, Float32]] = []
    for number in range(ROUNDS):
        careful = 1 - ANY_CLICK if number else 1.0
        click = prompts.correction(guess, inside, random, counted=known, deepest=careful)
        if click is None:
            break
        clicks.append((click[0], click[1], float(click[2])))
        points = np.array([[*((4 * x, 4 * y) for x, y, _ in clicks), (0, 0)]], np.float32)
        labels = np.array([[*(int(sign) for *_, sign in clicks), -1]])
        memory = None if before is None else before[None, None]
        answers = runtime.decode(lesson.features, DecoderInputs(points, labels, memory))
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
            ious = pictures.ious(shown > 0, truth, counted)
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
        if pictures.ious(guess[None], truth, counted)[0] > ENOUGH:
            break
    return rows


class CorrectionTask(ChoosingTask):
    """One output for the features (N, 6, 28) of each candidate."""

    part = "later"

    def lost(self, outputs: Tensor, ious: Tensor) -> dict[str, Tensor]:
        """Returns how wrong the outputs are about each candidate's worth, and the worth of a drawn one, negative."""
        worth = (ious - FALL * (ious[:, BEFORE:] - ious).clamp(min=0)).clamp(min=0)
        outputs = outputs[..., 0]
        return {
            "foretold": 3 * nn.functional.mse_loss(outputs.sigmoid(), worth),
            "missed": -((4 * outputs).softmax(1) * worth).sum(1).mean(),
        }

    def answers(self, features: Float32) -> dict[str, Int64]:
        """Returns the usual candidate, and the one that the network chooses."""
        worth = self.model(torch.from_numpy(features))[..., 0].sigmoid().cpu().numpy()
        each = np.arange(len(worth))
        usual = np.where(features[:, DRAWN, 4] < SETTLED, FOLLOWED, DRAWN)
        best = worth.argmax(1)
        better = worth[each, best] > worth[each, usual] + MARGIN
        return {"usual": usual, "chosen": np.where(better, best, usual)}

    def evaluate(self) -> Mapping[str, float]:
        """Returns the mean IoU of each way to answer, by folder, and how far it falls below the mask so far."""
        falls: dict[str, float] = {}
        for name, (seen, ious) in self.measured.items():
            for way, rows in self.answers(seen).items():
                reached = ious[np.arange(len(rows)), rows]
                falls[f"{name} {way} falls"] = float((ious[:, BEFORE] - reached).clip(0).mean())
        return {**super().evaluate(), **falls}
