"""The second task: what cut-outs are called. The backbone stays as it was, so its features are computed once.

Shapes: N cut-outs, C wide channels (1280), D vector length (256), P phrases.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.errors import InputError, WeightsError
from promptseg.files import atomic_write
from promptseg.geometry import Size
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.models.seem_tiny.backbone import EfficientNetLite
from promptseg.models.seem_tiny.config import CHANNELS, NAME_CONTEXT, WIDE, WORD_WIDTH
from promptseg.models.seem_tiny.head import WordMap
from promptseg.progress import Progress
from promptseg.runtimes.seem_tiny import CutOut
from promptseg.segment.words.name import cut_out
from promptseg.train.recipes.seem_tiny import phrases
from promptseg.train.recipes.seem_tiny.examples import ExampleSet, Thing
from promptseg.train.recipes.seem_tiny.phrases import Sentences, noisy
from promptseg.train.recipes.seem_tiny.start import Start
from promptseg.train.recipes.seem_tiny.views import normalised

SETS: Mapping[str, float] = {
    "caltech101": 1.0,
    "imagenet1000": 1.6,
    "coco": 1.6,
    "voc": 1.0,
    "ccp": 0.8,
    "grocery": 0.5,
    "clothing": 0.5,
    "boxes": 0.4,
}
"""How much the names of each set count; boxed sets are one."""
DRAWN = 64
"""Cut-outs of a set of weight 1 in a batch."""
NOISE = 0.02
"""Of sentence vectors."""
FEATURE_NOISE = 0.05
SMOOTHING = 0.05
DROPOUT = 0.3
START_LENGTH = 0.5
BATCH = 8
CLOSER = 0.8
"""A second look at a whole picture: mirrored, at a square with this share of the longer side."""


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """The cut-outs of a set.

    Attributes:
        features: (N, 2 C) means of the wide layer over the cut-out and over the region.
        labels: place of each cut-out's name.
        names: all names, among which one is chosen.
    """

    features: Tensor
    labels: npt.NDArray[np.int64]
    names: Sequence[str]

    def chances(self) -> npt.NDArray[np.float64]:
        """Returns how often each cut-out is drawn: those of rare names more often."""
        rare = np.bincount(self.labels, minlength=len(self.names))[self.labels] ** -0.5
        return rare / rare.sum()


def collect(
    sets: Mapping[str, ExampleSet], backbone: EfficientNetLite, folder: Path, progress: Progress | None = None
) -> dict[str, Named]:
    """Computes the features of all named things, a file for each set; what is there already is read.

    Raises:
        InputError: nothing has a name.
        WeightsError: a file is damaged.
        OutputError: a file cannot be written.
    """
    found: dict[str, Named] = {}
    boxed: list[Named] = []
    chosen = [item for item in sets.values() if item.name not in ("people", "stuff")]
    for done, item in enumerate(chosen, 1):
        place = folder / f"names-{item.name}.npz"
        named = _read(place, item.names) if place.exists() else _compute(item, backbone, place)
        if named is not None:
            if item.name in SETS:
                found[item.name] = named
            else:
                boxed.append(named)
        if progress is not None:
            progress(done, len(chosen))
    if boxed:
        labels = np.concatenate([item.labels for item in boxed])
        found["boxes"] = Named(torch.cat([item.features for item in boxed]), labels, boxed[0].names)
    if not found:
        raise InputError("No picture has anything with a name that is large enough to learn from.")
    return found


def looks(thing: Thing) -> list[tuple[CutOut, bool]]:
    """Returns the cut-outs of a thing, and whether each is mirrored."""
    image = Image.open(thing.picture)
    if thing.mask is not None:
        return [(cut_out(image, thing.mask), False)]
    return [(_whole(image, 1.0), False), (_whole(image, CLOSER), True)]


def _whole(image: Image, share: float) -> CutOut:
    """Cuts a square from the middle of a picture; all of the picture in it counts as region."""
    height, width = image.size
    half = max(1.0, share * max(height, width) / NAME_CONTEXT / 2)
    centre = np.zeros(Size(height, width), np.bool_)
    rows = slice(max(0, round(height / 2 - half)), max(1, round(height / 2 + half)))
    columns = slice(max(0, round(width / 2 - half)), max(1, round(width / 2 + half)))
    centre[rows, columns] = True
    cut = cut_out(image, RLE.encode(centre))
    return cut._replace(region=cut.picture)


def _compute(item: ExampleSet, backbone: EfficientNetLite, place: Path) -> Named | None:
    numbers = {name: index for index, name in enumerate(item.names)}
    features: list[npt.NDArray[np.float16]] = []
    labels: list[int] = []
    waiting: list[tuple[CutOut, bool]] = []
    for thing in item.things():
        cuts = looks(thing)
        waiting += cuts
        labels += [numbers[thing.label]] * len(cuts)
        if len(waiting) >= BATCH:
            features.append(_features(backbone, waiting))
            waiting = []
    if waiting:
        features.append(_features(backbone, waiting))
    if not features:
        return None
    with atomic_write(place) as file:
        np.savez(file, features=np.concatenate(features), labels=np.array(labels))
    return _read(place, item.names)


@torch.no_grad()
def _features(backbone: EfficientNetLite, cuts: Sequence[tuple[CutOut, bool]]) -> npt.NDArray[np.float16]:
    frames = np.stack([normalised(cut.pixels) for cut, _ in cuts])
    pictures = np.stack([cut.picture for cut, _ in cuts])
    regions = np.stack([cut.region for cut, _ in cuts])
    mirrored = np.array([flip for _, flip in cuts])
    for array in (frames, pictures, regions):
        array[mirrored] = array[mirrored][..., ::-1]
    wide_NCHW = backbone(torch.from_numpy(frames)).wide_BCHW
    means = [
        (wide_NCHW * shares).sum((2, 3)) / shares.sum((2, 3))
        for shares in (torch.from_numpy(pictures)[:, None], torch.from_numpy(regions)[:, None])
    ]
    return torch.cat(means, 1).numpy().astype(np.float16)


def _read(place: Path, names: Sequence[str]) -> Named:
    try:
        with np.load(place, allow_pickle=False) as stored:
            features, labels = stored["features"].astype(np.float32), stored["labels"].astype(np.int64)
    except Exception as error:  # NumPy's readers raise nearly anything on damaged files
        raise WeightsError(f"{place} is damaged: {error}. Remove it; it will be made again.") from error
    if len(labels) and int(labels.max()) >= len(names):
        raise WeightsError(f"{place} is of other data, with more than {len(names)} names. Remove it.")
    return Named(torch.from_numpy(features), labels, names)


class NamerNetwork(nn.Module):
    """The trained part of `Namer`, on features less their mean."""

    mean_C: Tensor

    def __init__(self, start: Start) -> None:
        super().__init__()
        self.around, self.inside = nn.Linear(WIDE, CHANNELS), nn.Linear(WIDE, CHANNELS)
        self.hidden, self.bent = nn.Linear(2 * WIDE, WORD_WIDTH), nn.Linear(WORD_WIDTH, CHANNELS)
        self.words = WordMap()
        self.words.lean.requires_grad_(False)
        self.log_scale = nn.Parameter(torch.tensor(3.0))
        self.drop = nn.Dropout(DROPOUT)
        self.register_buffer("mean_C", start.mean.clone())
        start.project(self.around, START_LENGTH)
        start.project(self.inside, START_LENGTH)
        with torch.no_grad():
            self.words.straight.weight.copy_(start.words)
        for layer in (self.bent, self.words.bent, self.words.lean):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, features_NC: Tensor) -> Tensor:
        """Returns vectors of length 1 (N, D)."""
        around_NC, inside_NC = features_NC.chunk(2, 1)
        centred_NC = features_NC - torch.cat([self.mean_C, self.mean_C])
        bent_ND = self.bent(self.drop(F.gelu(self.hidden(centred_NC))))
        return F.normalize(self.around(around_NC) + self.inside(inside_NC) + bent_ND, dim=-1)

    def tensors(self) -> dict[str, Tensor]:
        """Returns the tensors of `Namer` that were trained, the mean folded into a bias, by their names there."""
        state = {name: value for name, value in self.state_dict().items() if name not in ("mean_C", "log_scale")}
        mean_C = torch.cat([self.mean_C, self.mean_C])
        state["hidden.bias"] = state["hidden.bias"] - state["hidden.weight"] @ mean_C
        return state


class NamerTask:
    """Learns to choose the name of cut-outs; see `promptseg.train.task.Task`."""

    def __init__(self, network: NamerNetwork, sets: Mapping[str, Named], sentences: Sentences) -> None:
        self.model, self._sets, self._sentences = network, sets, sentences
        self._chances = {name: item.chances() for name, item in sets.items()}

    def batch(self, random: np.random.Generator) -> dict[str, npt.NDArray[np.int64]]:
        """Draws cut-outs of every set."""
        return {
            name: random.choice(len(item.labels), max(1, int(DRAWN * SETS[name])), p=self._chances[name])
            for name, item in self._sets.items()
        }

    def losses(
        self, batch: dict[str, npt.NDArray[np.int64]], random: np.random.Generator
    ) -> Iterator[Mapping[str, Tensor]]:
        """Yields the loss of each set."""
        for name, chosen in batch.items():
            item = self._sets[name]
            said_PS = noisy(self._sentences.said(item.names, phrases.EVERY, random), NOISE, random)
            features_NC = item.features[torch.from_numpy(chosen)]
            features_NC = features_NC * (1 + FEATURE_NOISE * torch.randn_like(features_NC))
            words_PD, _ = self.model.words(said_PS)
            logits_NP = self.model(features_NC) @ words_PD.T * self.model.log_scale.exp()
            labels = torch.from_numpy(item.labels[chosen])
            yield {name: SETS[name] * F.cross_entropy(logits_NP, labels, label_smoothing=SMOOTHING)}

    def evaluate(self) -> Mapping[str, float]:
        """Returns the share of cut-outs that get their own name, by set; those that were trained on."""
        return {f"{name} named": self._right(item) for name, item in self._sets.items()}

    def _right(self, item: Named) -> float:
        words_PD, _ = self.model.words(self._sentences(list(item.names)))
        found = (self.model(item.features) @ words_PD.T).argmax(1).numpy()
        return float((found == item.labels).mean())
