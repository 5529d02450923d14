"""Where training starts: closed forms that make the untrained network know what the backbone's classifier knew.

The wide layer is projected onto the subspace in which the classifier tells its classes apart, whitened by the
covariance of real features; a linear map takes the sentences of the class names to the classes' places there.

Shapes: N features, W wide channels (1280), D vector length (256), K classes (1000), S sentence length (384).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.arrays import Float32
from promptseg.errors import WeightsError
from promptseg.files import atomic_write
from promptseg.images import Image
from promptseg.models.seem_tiny.backbone import EfficientNetLite
from promptseg.models.seem_tiny.config import CHANNELS
from promptseg.progress import Progress
from promptseg.train.recipes.seem_tiny.examples import ExampleSet
from promptseg.train.recipes.seem_tiny.phrases import START_TEMPLATES, Sentences, imagenet_names
from promptseg.train.recipes.seem_tiny.views import show, whole_view

STRIDES = {"imagenet1000": 1, "caltech101": 4, "voc": 6, "coco": 3}
"""Of so many pictures of a set, one is looked at for the covariance."""
CELLS = 8
"""Cells of a picture that are kept beside its mean."""
RIDGE = 0.1
SHRINKAGE = 1e-4
"""Added to the covariance, as a share of its mean variance."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """The closed form.

    Attributes:
        projection: (D, W) of features less their mean; cells have a mean length of 1.
        mean: (W,) of features.
        words: (D, S) of sentence vectors; class vectors have a mean length of 1.
    """

    projection: Tensor
    mean: Tensor
    words: Tensor

    def project(self, layer: nn.Conv2d | nn.Linear, length: float) -> None:
        """Makes a layer the projection of features less their mean, so that cells have this length on average."""
        weight = self.projection * length
        with torch.no_grad():
            layer.weight.copy_(weight.view_as(layer.weight))
            if layer.bias is not None:  # pyright: ignore[reportUnnecessaryComparison]
                layer.bias.copy_(-(weight @ self.mean))


@torch.no_grad()
def collect(
    sets: dict[str, ExampleSet], backbone: EfficientNetLite, place: Path, progress: Progress | None = None
) -> Float32:
    """Returns wide features (N, W) of real pictures: of each, the mean and some cells. Kept in a file.

    Raises:
        WeightsError: the file is damaged.
        OutputError: it cannot be written.
    """
    if place.exists():
        return read_array(place)
    chosen = {name: stride for name, stride in STRIDES.items() if name in sets} or dict.fromkeys(sets, 1)
    pictures = [path for name, stride in chosen.items() for path in sets[name].pictures[::stride]]
    random = np.random.default_rng(0)
    found: list[Float32] = []
    for done, path in enumerate(pictures, 1):
        pixels = Image.open(path).pixels
        view = whole_view((pixels.shape[0], pixels.shape[1]))
        wide_CHW = backbone(show(pixels, view)[None]).wide_BCHW[0]
        rows, columns = int(view.inside()[0, :, 0].sum()), int(view.inside()[0, 0].sum())
        cells_NC = wide_CHW[:, :rows, :columns].flatten(1).T.numpy()
        found += [cells_NC.mean(0, keepdims=True), cells_NC[random.integers(len(cells_NC), size=CELLS)]]
        if progress is not None:
            progress(done, len(pictures))
    features = np.concatenate(found).astype(np.float32)
    with atomic_write(place) as file:
        np.save(file, features)
    return features


def read_array(place: Path) -> Float32:
    """Reads an array that was kept.

    Raises:
        WeightsError: the file is damaged.
    """
    try:
        return np.load(place, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise WeightsError(f"{place} is damaged: {error}. Remove it; it will be made again.") from error


def solve(features: Float32, classifier: nn.Linear, sentences: Sentences, names: Sequence[str] | None = None) -> Start:
    """Returns the closed form.

    Args:
        features: (N, W) of `collect`.
        classifier: the backbone's own.
        sentences: reads the names.
        names: of the classifier's classes; by default ImageNet's.
    """
    known = imagenet_names() if names is None else names
    samples = features.astype(np.float64)
    mean = samples.mean(0)
    covariance = np.cov((samples - mean).T)
    covariance += SHRINKAGE * np.eye(len(mean)) * np.trace(covariance) / len(mean)
    values, vectors = np.linalg.eigh(covariance)
    roots = np.sqrt(values.clip(1e-9))
    weight = classifier.weight.detach().numpy().astype(np.float64)
    left, strengths, right = np.linalg.svd((weight - weight.mean(0)) @ (vectors * roots), full_matrices=False)
    half = np.sqrt(strengths[:CHANNELS])
    projection = half[:, None] * right[:CHANNELS] @ (vectors / roots).T
    classes = left[:, :CHANNELS] * half
    spoken = [sentences([form.format(name) for name in known]) for form in START_TEMPLATES]
    said = torch.stack(spoken).double().mean(0).numpy()
    words = np.linalg.solve(said.T @ said + RIDGE * np.eye(said.shape[1]), said.T @ classes)
    length = np.linalg.norm((samples - mean) @ projection.T, axis=1).mean()
    return Start(_tensor(projection / length), _tensor(mean), _tensor(words.T / np.linalg.norm(classes, axis=1).mean()))


def agreement(start: Start, features: Tensor, labels: Tensor, sentences_KS: Tensor) -> float:
    """Returns the share of features whose nearest class by words is the labelled one."""
    seen = F.normalize((features - start.mean) @ start.projection.T, dim=-1)
    said = F.normalize(sentences_KS @ start.words.T, dim=-1)
    return float(((seen @ said.T).argmax(1) == labels).float().mean())


def _tensor(array: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
