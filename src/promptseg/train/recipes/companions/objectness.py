"""The head that tells the fast mode where small objects are."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.arrays import Float32
from promptseg.datasets.layouts.pictures import PICTURE_SUFFIXES
from promptseg.errors import InputError
from promptseg.images import Image
from promptseg.models.companions.objectness import SCALE
from promptseg.models.network import Network
from promptseg.models.tensors import write_safetensors
from promptseg.runtimes.factory import create_runtime
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage, embed
from promptseg.train import pictures
from promptseg.train.config import TrainConfig
from promptseg.train.task import Recipe

MODEL = "mobile-sam"
SIDE, SMALL, WIDTH, WORTH = 32, 10, 32, 0.88
"""Points along each side of the full grid, the cells of the smallest mask that the coarse grid finds anyway, channels
of the head, and the score that SAM's filters ask for."""
EPOCHS = 40


def objectness(
    data: Path, *, cache: str | None = None, held: float = 0.2, pictures_used: int | None = None, points: int = SIDE
) -> Recipe:
    """Trains the head that tells where a click finds a small mask that passes SAM's filters.

    It learns from what the full grid finds, so the pictures need no labels.

    Args:
        data: a folder that has pictures in folders `images`, at any depth.
        cache: folder for what the grid found; by default `.promptseg-train` in the folder of the data.
        held: share of the pictures that is not trained on, to measure; 0 to train on all.
        pictures_used: the most pictures, evenly strided.
        points: of the grid, along each side.

    Raises:
        InputError: there are no pictures.
    """
    found = sorted(path for path in data.rglob("images/*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise InputError(f"There are no pictures in folders images in {data}.")
    count = min(len(found), pictures_used or len(found))
    network = Network.load(MODEL)
    runtime = create_runtime(network)
    folder = pictures.cache_in(data, cache) / f"objectness-{network.digest[:12]}-{points}"
    chosen = [found[number * len(found) // count] for number in range(count)]
    kept = [folder / f"{path.parent.parent.name}_{path.stem}.npz" for path in chosen]

    def make(path: Path, random: np.random.Generator) -> Mapping[str, npt.ArrayLike]:
        return _tried(runtime, embed(runtime, Image.open(path), network.name), points)

    pictures.record(kept, chosen, make, "trying the grid")
    learned, measured = pictures.split(kept, held)
    task = ObjectnessTask(learned, measured)
    steps = EPOCHS * len(learned)
    config = TrainConfig(steps=steps, learning_rate=3e-3, warmup=steps * 3 // 10, final=0.0, clip=0.0, save_every=500)
    return Recipe(name="objectness", task=task, config=config, write=task.write)


def _tried(runtime: Runtime, embedded: EmbeddedImage, side: int) -> Mapping[str, npt.ArrayLike]:
    """Tries every point of the grid: does a click there find a mask that passes the filters and is small?"""
    height, width = embedded.frame.resized
    rows, columns = -(-height // 4), -(-width // 4)
    centres = (np.arange(side) + 0.5) / side
    points = np.stack([np.tile(centres * width, side), np.repeat(centres * height, side)], -1).astype(np.float32)
    view = runtime.view(embedded.features, embedded.frame.resized)

    def small(point: Float32) -> bool:
        answer = runtime.scout(view, point, WORTH)
        if answer.logits is None:
            return False
        logits = answer.logits[:, :rows, :columns]
        stable = (logits > 1).sum((1, 2)) >= 0.95 * np.maximum(1, (logits > -1).sum((1, 2)))
        cells = (logits > 0).mean((1, 2)) * SIDE**2
        return bool(((answer.scores > WORTH) & stable & (cells < SMALL)).any())

    with ThreadPoolExecutor(runtime.threads) as pool:
        labels = np.array(list(pool.map(small, points)))
    return {"features": embedded.features.astype(np.float16), "points": points, "labels": labels}


class ObjectnessTask:
    """Learns from pictures on which every point was tried; one picture is one step.

    Args:
        learned: files of what the grid found.
        measured: those held out.
    """

    def __init__(self, learned: list[Path], measured: list[Path]) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(256, WIDTH, 1),
            nn.GELU("tanh"),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.GELU("tanh"),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.GELU("tanh"),
            nn.Conv2d(WIDTH, 1, 1),
        )
        self._learned, self._measured = learned, measured

    def batch(self, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draws a picture: its embedding, the points, and which of them find small masks."""
        return self._read(self._learned[int(random.integers(len(self._learned)))])

    def losses(
        self, batch: tuple[Tensor, Tensor, Tensor], random: np.random.Generator
    ) -> Iterator[Mapping[str, Tensor]]:
        """Yields the cross entropy; points that find something count three times."""
        features, points, labels = batch
        logits = self._at(F.dropout2d(features, 0.1), points)
        weight = torch.tensor(3.0, device=logits.device)
        yield {"missed": F.binary_cross_entropy_with_logits(logits, labels, pos_weight=weight)}

    def evaluate(self) -> Mapping[str, float]:
        """Returns, for some thresholds, the share of fruitful points that are found, and of all that are tried."""
        if not self._measured:
            return {}
        tried = [self._read(path) for path in self._measured]
        chances = torch.cat([self._at(features, points).sigmoid() for features, points, _ in tried])
        labels = torch.cat([each for *_, each in tried]) > 0
        return {
            f"{what} at {least}": float((chances[of] > least).float().mean())
            for least in (0.05, 0.1, 0.2, 0.3, 0.4)
            for what, of in (("found", labels), ("tried", ...))
        }

    def write(self, path: Path) -> None:
        """Writes kernels and biases of each layer in float16."""
        layers = [layer for layer in self.model if isinstance(layer, nn.Conv2d)]
        write_safetensors(
            path,
            {
                f"{number}.{name}": tensor.detach().cpu().half().numpy()
                for number, layer in enumerate(layers)
                for name, tensor in layer.named_parameters()
            },
            {"model": MODEL, "trained": "recipe objectness"},
        )

    def _at(self, features: Tensor, points: Tensor) -> Tensor:
        grid = (points / 1024 * 2 - 1)[None, None]
        output = self.model(features * float(SCALE))
        return F.grid_sample(output, grid, align_corners=False, padding_mode="border")[0, 0, 0]

    def _read(self, path: Path) -> tuple[Tensor, Tensor, Tensor]:
        device = next(self.model.parameters()).device
        with np.load(path, allow_pickle=False) as stored:
            features, points, labels = (
                torch.from_numpy(stored[name].astype(np.float32)).to(device)
                for name in ("features", "points", "labels")
            )
        return features, points, labels
