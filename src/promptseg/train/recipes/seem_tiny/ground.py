"""The layer that tells kinds of stuff apart, on what seem-tiny sees."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.arrays import Float32, Int32
from promptseg.datasets.open import DatasetSource
from promptseg.datasets.samples import Sample
from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.models.seem_tiny.config import STRIDE
from promptseg.models.seem_tiny.ground import everywhere, places, surroundings
from promptseg.models.tensors import write_safetensors
from promptseg.runtimes.factory import create_tiny
from promptseg.segment.words.picture import SeenImage, see
from promptseg.train import pictures
from promptseg.train.config import TrainConfig
from promptseg.train.task import Recipe
from promptseg.vocabulary import COCO_PANOPTIC, COCO_STUFF, COCO_THINGS

CELLS = 1000
"""Cells that are learned of each picture, drawn once."""
BATCH = 4096
DECAY = 3e-3
"""How much the squares of the weights, on features of deviation 1, cost."""
LEAST = 50
"""Kinds with fewer cells count as if they had so many."""
THING = len(COCO_STUFF)
"""The class after the kinds of stuff: any thing."""


def ground(data: Path, *, weights: str | None = None, cache: str | None = None, held: float = 0.15) -> Recipe:
    """Trains the layer that tells kinds of stuff apart (sky, grass, wall), for panoptic maps.

    Args:
        data: a folder with pictures that COCO's panoptic task labels, in itself or in its folder coco.
        weights: seem-tiny of another training run; by default the embedded one.
        cache: folder for what is seen; by default `.promptseg-train` in the folder of the data.
        held: share of the pictures that is not trained on, to measure; 0 to train on all.

    Raises:
        InputError: the folder does not exist, or its classes are not COCO's.
        FormatError: there are no panoptic labels.
    """
    root = data / "coco" if (data / "coco").is_dir() else data
    dataset = DatasetSource(path=str(root), truth="semantic")()
    numbers = {number: place for place, number in enumerate(COCO_PANOPTIC.ids)}
    if not all(category.id in numbers for category in dataset.categories):
        raise InputError(f"{root} must have the classes of COCO's panoptic task.")
    kinds = np.array(
        [THING if category.thing else numbers[category.id] - len(COCO_THINGS) for category in dataset.categories],
        np.int32,
    )
    tiny = create_tiny("onnx", weights=weights)
    folder = pictures.cache_in(data, cache) / f"ground-{tiny.network.digest[:12]}"
    paths = [folder / f"{sample.name}.npz" for sample in dataset.samples]

    def make(sample: Sample, random: np.random.Generator) -> Mapping[str, npt.ArrayLike]:
        return _cells(see(tiny, Image.open(sample.picture)), sample, kinds, random)

    pictures.record(paths, dataset.samples, make, "looking at the ground")
    learned, measured = pictures.split(paths, held)
    task = GroundTask(learned, measured)
    config = TrainConfig(steps=400, learning_rate=1e-2, warmup=50, weight_decay=0.0, clip=0.0, save_every=500)
    return Recipe(name="ground", task=task, config=config, write=task.write)


def _cells(seen: SeenImage, sample: Sample, kinds: Int32, random: np.random.Generator) -> Mapping[str, npt.ArrayLike]:
    """Returns the features and kinds of some cells of a picture whose class is known."""
    assert sample.semantic is not None  # noqa: S101 - for the type checker
    rows, columns = seen.cells
    vectors = seen.vectors[:, :rows, :columns]
    truth = sample.semantic()
    ys, xs = (
        np.minimum((np.arange(count) + 0.5) * STRIDE / side * length, length - 1).astype(np.int64)
        for count, side, length in zip((rows, columns), seen.frame.resized, truth.shape, strict=True)
    )
    classes = truth[np.ix_(ys, xs)].reshape(-1)
    known = np.flatnonzero(classes >= 0)
    chosen = random.choice(known, min(CELLS, len(known)), replace=False)
    features = features_of(vectors)[:, chosen].T
    return {"features": features.astype(np.float16), "kinds": kinds[classes[chosen]]}


def features_of(vectors: Float32) -> Float32:
    """Returns what the layer takes of every cell, (3 D + 3, H * W), of pixel vectors (D, H, W)."""
    depth, height, width = vectors.shape
    whole = np.broadcast_to(everywhere(vectors)[:, None, None], vectors.shape)
    parts = (vectors, surroundings(vectors), whole, places(height, width))
    return np.concatenate(parts).reshape(3 * depth + 3, height * width)


class GroundTask:
    """Learns from cells of pictures.

    Args:
        learned: files of cells.
        measured: those held out.
    """

    def __init__(self, learned: list[Path], measured: list[Path]) -> None:
        self._features, self._kinds = _read(learned)
        self._measured = _read(measured) if measured else None
        self._mean = self._features.mean(0)
        self._deviation = self._features.std(0) + 1e-6
        self._features = (self._features - self._mean) / self._deviation
        counts = torch.bincount(self._kinds, minlength=THING + 1).clamp(min=LEAST)
        self._worth = counts.rsqrt() / counts.rsqrt().mean()
        self.model = nn.Linear(self._features.shape[1], THING + 1)
        nn.init.zeros_(self.model.weight)
        nn.init.zeros_(self.model.bias)

    def batch(self, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draws cells."""
        rows = torch.from_numpy(random.integers(len(self._kinds), size=BATCH))
        return self._features[rows], self._kinds[rows]

    def losses(self, batch: tuple[Tensor, Tensor], random: np.random.Generator) -> Iterator[Mapping[str, Tensor]]:
        """Yields the cross entropy, rare kinds counting more, and the cost of large weights."""
        features, kinds = (part.to(self.model.weight.device) for part in batch)
        wrong = F.cross_entropy(self.model(features), kinds, weight=self._worth.to(features.device))
        yield {"wrong": wrong, "large": DECAY / 2 * self.model.weight.square().sum()}

    def evaluate(self) -> Mapping[str, float]:
        """Returns the share of held-out cells whose kind is right, all and those of stuff."""
        if self._measured is None:
            return {}
        features, kinds = self._measured
        device = self.model.weight.device
        right = self.model(((features - self._mean) / self._deviation).to(device)).argmax(1).cpu() == kinds
        return {"right": float(right.float().mean()), "right of stuff": float(right[kinds < THING].float().mean())}

    def write(self, path: Path) -> None:
        """Writes the layer, which takes features as they are, in float16."""
        weight = self.model.weight.detach().cpu() / self._deviation
        bias = self.model.bias.detach().cpu() - weight @ self._mean
        content = {"weight": weight.half().numpy(), "bias": bias.half().numpy()}
        write_safetensors(path, content, {"trained": "recipe ground"})


def _read(paths: list[Path]) -> tuple[Tensor, Tensor]:
    parts: list[tuple[Float32, Int32]] = []
    for path in paths:
        with np.load(path, allow_pickle=False) as stored:
            parts.append((stored["features"].astype(np.float32), stored["kinds"]))
    features, kinds = (np.concatenate(column) for column in zip(*parts, strict=True))
    return torch.from_numpy(features), torch.from_numpy(kinds.astype(np.int64))
