"""The network that chooses among the three masks of a single click."""

from pathlib import Path

import numpy as np
from torch import Tensor, nn

from promptseg.arrays import Float32, Int64
from promptseg.hands import prompts
from promptseg.models.companions.choice import features
from promptseg.runtimes.protocol import DecoderInputs, Runtime
from promptseg.train import pictures
from promptseg.train.pictures import Lesson
from promptseg.train.recipes.companions.choosing import (
    ChoosingNetwork,
    ChoosingTask,
    config_of,
    part_writer,
    record,
)
from promptseg.train.recipes.sam_clicks import MIXTURE
from promptseg.train.task import Recipe

OBJECTS = 5
"""Objects of a picture; each is clicked at the deepest place, at one of the deeper half, and anywhere."""


def choice(data: Path, *, cache: str | None = None, held: float = 0.2) -> Recipe:
    """Trains the network that chooses among the three masks of a single click.

    It maximises the expected IoU of a choice drawn by the softmax of its outputs. The written file (JSON) is that of
    the package: the network for corrections stays in it as it is.

    Args:
        data: a folder with the folders of the recipe sam-clicks, whose prepared pictures are shared.
        cache: folder for prepared pictures and clicks; by default `.promptseg-train` in the folder of the data.
        held: share of the pictures that is not trained on, to measure; 0 to train on all.

    Raises:
        InputError: a folder is missing, or there is nothing to learn from.
        FormatError: the data cannot be read.
    """
    learned, measured = record(data, cache, "choice", click_once, held)
    network = ChoosingNetwork(learned, (32, 32), 3, drop=0.2)
    task = ChoiceTask(network, learned, measured, {name: share for name, (share, *_) in MIXTURE.items()})
    return Recipe(name="choice", task=task, config=config_of(1000), write=part_writer(network, "first"))


def click_once(
    lesson: Lesson, runtime: Runtime, random: np.random.Generator
) -> list[tuple[Float32, Float32]]:
    """Clicks on objects of a picture; returns features and IoUs of the three masks, from small to large."""
    assert lesson.features is not None  # noqa: S101 - prepared with a runtime
    height, width = lesson.extent
    counted = lesson.counted[:height, :width]
    found: list[tuple[Float32, Float32]] = []
    for index in random.permutation(len(lesson.masks))[:OBJECTS]:
        truth = lesson.masks[index][:height, :width]
        inside = (truth > 0.5) & (counted > 0)
        if inside.sum() < pictures.LEAST_CELLS:
            continue
        places = [
            prompts.deepest_point(inside)[0],
            prompts.inner_point(inside, random),
            prompts.random_point(inside, random),
        ]
        points = np.array([[place, (0, 0)] for place in places], np.float32) * 4
        labels = np.tile(np.array([[1, -1]], np.int64), (len(places), 1))
        answers = runtime.decode(lesson.features, DecoderInputs(points, labels))
        for place, logits, scores in zip(places, answers.logits, answers.scores, strict=True):
            masks = logits[1:, :height, :width]
            order, x = features(masks, scores[1:], place)
            found.append((x, pictures.ious(masks > 0, truth, counted)[order]))
    return found


class ChoiceTask(ChoosingTask):
    """Three outputs for the features (N, 40) of three masks."""

    def lost(self, outputs: Tensor, ious: Tensor) -> dict[str, Tensor]:
        """Returns the expected IoU of a drawn choice, negative, and how wrong the outputs are about each mask's."""
        return {
            "missed": -3 * (outputs.softmax(1) * ious).sum(1).mean(),
            "foretold": 0.3 * nn.functional.mse_loss(outputs.sigmoid(), ious),
        }

    def answers(self, features: Float32) -> dict[str, Int64]:
        """Returns which mask has the best score, and which the network chooses."""
        return {
            "best score": features[:, 0:36:12].argmax(1),
            "chosen": self.model.outputs(features).argmax(1),
        }
