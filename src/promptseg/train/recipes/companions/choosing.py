"""What the trainers of the two choosing networks share: recorded clicks, full layers on their features, and the file.

Shapes: N recorded clicks, M masks to choose among, F features.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from promptseg.arrays import Float32, Int64
from promptseg.errors import InputError
from promptseg.files import write_bytes
from promptseg.formats.reading import read_json
from promptseg.models.companions.choice import choice_json
from promptseg.models.network import Network
from promptseg.runtimes.factory import create_runtime
from promptseg.runtimes.protocol import Runtime
from promptseg.train import pictures
from promptseg.train.config import TrainConfig
from promptseg.train.pictures import Lesson
from promptseg.train.recipes.sam_clicks import prepared

MODEL = "mobile-sam-clicks"
"""The model whose masks are chosen among."""

BATCH = 256
NOTE = "recipes choice and correction: COCO, VOC, CCP, nuclei training pictures"

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
        with np.load(path) as stored:
            if len(stored["ious"]):
                rows.append((stored["features"], stored["ious"]))
    if not rows:
        return None
    features, ious = (np.concatenate(column) for column in zip(*rows, strict=True))
    return features, ious


def config_of(steps: int) -> TrainConfig:
    """Returns the numbers of a run: the rate rises for three tenths of it and falls to nothing."""
    return TrainConfig(
        steps=steps,
        learning_rate=2e-3,
        warmup=steps * 3 // 10,
        final=0.0,
        weight_decay=1e-2,
        clip=0.0,
        log_every=100,
        save_every=500,
    )


class ChoosingNetwork(nn.Module):
    """Full layers with ReLU and dropout between them, on features brought to mean 0 and deviation 1."""

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, learned: Mapping[str, Clicks], hidden: Sequence[int], outputs: int, drop: float
    ) -> None:
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
        return self.layers((features - self.mean) / self.deviation)

    def outputs(self, features: Float32) -> Float32:
        """Returns what the network says, without gradients."""
        with torch.no_grad():
            return self(torch.from_numpy(features).to(self.mean.device)).cpu().numpy()


class ChoosingTask:
    """Learns from recorded clicks; a kind of choice says what it loses and what it would answer.

    Args:
        model: the network.
        learned: clicks by folder.
        measured: those held out.
        shares: how often each folder is drawn.
    """

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
        device = self.model.mean.device
        return self._features[rows].to(device), self._ious[rows].to(device)

    def losses(
        self, batch: tuple[Tensor, Tensor], random: np.random.Generator
    ) -> Iterator[Mapping[str, Tensor]]:
        """Yields what the answers to one batch lose."""
        features, ious = batch
        yield self.lost(self.model(features), ious)

    def evaluate(self) -> Mapping[str, float]:
        """Returns the mean IoU of each way to answer, by folder."""
        return {
            f"{name} {way}": float(ious[np.arange(len(rows)), rows].mean())
            for name, (features, ious) in self.measured.items()
            for way, rows in {**self.answers(features), "best": ious.argmax(1)}.items()
        }

    def lost(self, outputs: Tensor, ious: Tensor) -> dict[str, Tensor]:
        """Returns the weighted losses of outputs (N, ...) by name."""
        raise NotImplementedError

    def answers(self, features: Float32) -> dict[str, Int64]:
        """Returns which mask (N,) each way to answer takes."""
        raise NotImplementedError


def part_writer(model: ChoosingNetwork, part: str) -> Callable[[Path], None]:
    """Returns a function that puts one of the two networks into a file, beside the other.

    The other is the one that is in the file, or that of the package if there is no file yet.
    """

    def write(path: Path) -> None:
        content: dict[str, Any] = read_json(path) if path.exists() else json.loads(choice_json(MODEL))
        layers = [layer for layer in model.layers if isinstance(layer, nn.Linear)]
        content |= {"model": MODEL, "trained": NOTE}
        content[part] = {
            "mean": _plain(model.mean),
            "deviation": _plain(model.deviation),
            "weights": [[_plain(row) for row in layer.weight] for layer in layers],
            "biases": [_plain(layer.bias) for layer in layers],
        }
        write_bytes(path, (json.dumps(content) + "\n").encode())

    return write


def _plain(row: Tensor) -> list[float]:
    values: npt.NDArray[np.float32] = row.detach().cpu().numpy()
    return [float(f"{value:.5g}") for value in values]
