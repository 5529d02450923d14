"""The network that chooses among the three masks of a single click, and what it shares with that for corrections.

Shapes: N recorded clicks, M masks to choose among, F features.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from promptseg.arrays import Float32, Int64
from promptseg.errors import InputError
from promptseg.files import write_bytes
from promptseg.formats.reading import read_json
from promptseg.hands import prompts
from promptseg.models.companions.choice import features
from promptseg.models.network import Network
from promptseg.models.registry import get_card, packaged
from promptseg.runtimes.factory import create_runtime
from promptseg.runtimes.protocol import DecoderInputs, Runtime
from promptseg.train import pictures
from promptseg.train.config import TrainConfig
from promptseg.train.pictures import Lesson
from promptseg.train.recipes.sam_clicks import MIXTURE, prepared
from promptseg.train.task import Recipe

MODEL = "mobile-sam-clicks"
"""The model whose masks are chosen among."""

OBJECTS = 5
"""Objects of a picture; each is clicked at the deepest place, at one of the deeper half, and anywhere."""
BATCH = 256
NOTE = "recipes choice and correction: COCO, VOC, CCP, nuclei training pictures, and wholes of boxed and named ones"

Examiner = Callable[[Lesson, Runtime, np.random.Generator], list[tuple[Float32, Float32]]]
"""Clicks on objects of a picture; returns, for each click, the features of its masks and their IoU."""


Clicks = tuple[Float32, Float32]
"""Features of recorded clicks, (N, F) or (N, M, F) where each mask is judged by itself, and IoUs (N, M)."""


def record(
    data: Path, cache: str | None, kind: str, examine: Examiner, held: float
) -> tuple[dict[str, Clicks], dict[str, Clicks]]:
    """Examines the pictures of the recipe sam-clicks; returns clicks to learn from and to measure, by folder."""
    network = Network.load(MODEL)
    runtime = create_runtime(network)
    folder = pictures.cache_in(data, cache) / f"{kind}-{network.digest[:12]}"
    found: tuple[dict[str, Clicks], dict[str, Clicks]] = ({}, {})

    def make(lesson: Path, random: np.random.Generator) -> Mapping[str, npt.ArrayLike]:
        rows = examine(pictures.read(lesson), runtime, random)
        return {"features": [row[0] for row in rows], "ious": [row[1] for row in rows]}

    for name, lessons in prepared(data, cache, runtime).items():
        paths = [folder / path.name for path in lessons]
        pictures.record(paths, lessons, make, f"clicking on {name}")
        for group, part in zip(found, pictures.split(paths, held), strict=True):
            if (clicks := _joined(part)) is not None:
                group[name] = clicks
    if not found[0]:
        raise InputError(f"The pictures of {data} have no object that is large enough to learn from.")
    return found


def _joined(paths: Iterable[Path]) -> Clicks | None:
    rows: list[Clicks] = []
    for path in paths:
        with np.load(path, allow_pickle=False) as stored:
            if len(stored["ious"]):
                rows.append((stored["features"], stored["ious"]))
    if not rows:
        return None
    features, ious = (np.concatenate(column) for column in zip(*rows, strict=True))
    return features, ious


class ChoosingNetwork(nn.Module):
    """Full layers with ReLU and dropout between them, on features brought to mean 0 and deviation 1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, learned: Mapping[str, Clicks], hidden: Sequence[int], outputs: int, drop: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        flat = np.concatenate([features.reshape(-1, features.shape[-1]) for features, _ in learned.values()])
        self.register_buffer("mean", torch.from_numpy(flat.mean(0)))
        self.register_buffer("deviation", torch.from_numpy(flat.std(0) + np.float32(1e-3)))
        layers: list[nn.Module] = []
        inputs = flat.shape[1]
        for width in hidden:
            layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(drop)]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Returns the outputs (..., outputs) for features (..., F)."""
        return self.layers((features.to(self.mean.device) - self.mean) / self.deviation)


class ChoosingTask(ABC):
    """Learns from recorded clicks; a kind of choice says what it loses and what it would answer.

    Args:
        model: the network.
        learned: clicks by folder.
        measured: those held out.
        shares: how often each folder is drawn.
    """

    part: ClassVar[str]
    """The network's name in the file."""

    def __init__(
        self,
        model: ChoosingNetwork,
        learned: Mapping[str, Clicks],
        measured: Mapping[str, Clicks],
        shares: Mapping[str, float],
    ) -> None:
        self.model = model
        columns = (np.concatenate(column) for column in zip(*learned.values(), strict=True))
        self._features, self._ious = (torch.from_numpy(column) for column in columns)
        chances = [np.full(len(ious), shares[name] / len(ious)) for name, (_, ious) in learned.items()]
        self._chances = np.concatenate(chances) / sum(shares[name] for name in learned)
        self.measured = measured

    def batch(self, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draws clicks, from each folder as often as its share says."""
        rows = torch.from_numpy(random.choice(len(self._chances), BATCH, p=self._chances))
        return self._features[rows], self._ious[rows]

    def losses(self, batch: tuple[Tensor, Tensor], random: np.random.Generator) -> Iterator[Mapping[str, Tensor]]:
        """Yields what the answers to one batch lose."""
        features, ious = batch
        yield self.lost(self.model(features), ious.to(self.model.mean.device))

    def evaluate(self) -> Mapping[str, float]:
        """Returns the mean IoU of each way to answer, by folder."""
        return {
            f"{name} {way}": float(ious[np.arange(len(rows)), rows].mean())
            for name, (features, ious) in self.measured.items()
            for way, rows in {**self.answers(features), "best": ious.argmax(1)}.items()
        }

    @abstractmethod
    def lost(self, outputs: Tensor, ious: Tensor) -> dict[str, Tensor]:
        """Returns the weighted losses of outputs (N, ...) by name."""

    @abstractmethod
    def answers(self, features: Float32) -> dict[str, Int64]:
        """Returns which mask (N,) each way to answer takes."""

    def write(self, path: Path) -> None:
        """Puts the network into a file, beside the other of the two: the one that is there, or else the package's."""
        there = path if path.exists() else packaged(get_card(MODEL).companions.choice)
        content: dict[str, Any] = read_json(there)
        layers = [layer for layer in self.model.layers if isinstance(layer, nn.Linear)]
        content |= {"model": MODEL, "trained": NOTE}
        content[self.part] = {
            "mean": _plain(self.model.mean),
            "deviation": _plain(self.model.deviation),
            "weights": [[_plain(row) for row in layer.weight] for layer in layers],
            "biases": [_plain(layer.bias) for layer in layers],
        }
        write_bytes(path, (json.dumps(content) + "\n").encode())


def _plain(row: Tensor) -> list[float]:
    values: npt.NDArray[np.float32] = row.detach().cpu().numpy()
    return [float(f"{value:.5g}") for value in values]


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
    network = ChoosingNetwork(learned, (64, 32), 3, drop=0.3)
    task = ChoiceTask(network, learned, measured, {name: share for name, (share, *_) in MIXTURE.items()})
    config = TrainConfig(
        steps=1000, learning_rate=2e-3, warmup=300, final=0.0, weight_decay=0.01, clip=0.0, save_every=500
    )
    return Recipe(name="choice", task=task, config=config, write=task.write)


def click_once(lesson: Lesson, runtime: Runtime, random: np.random.Generator) -> list[tuple[Float32, Float32]]:
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

    part = "first"

    def lost(self, outputs: Tensor, ious: Tensor) -> dict[str, Tensor]:
        """Returns the expected IoU of a drawn choice, negative, and how wrong the outputs are about each mask's."""
        return {
            "missed": -3 * (outputs.softmax(1) * ious).sum(1).mean(),
            "foretold": 0.3 * nn.functional.mse_loss(outputs.sigmoid(), ious),
        }

    def answers(self, features: Float32) -> dict[str, Int64]:
        """Returns which mask has the best score, and which the network chooses."""
        chosen = self.model(torch.from_numpy(features)).argmax(1).cpu().numpy()
        return {"best score": features[:, 0:36:12].argmax(1), "chosen": chosen}
