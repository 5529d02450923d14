"""The first task: pixels and phrases in one space. The early half of the backbone stays as it was.

Shapes: B examples, C classes or channels, D vector length (256), H W cells at stride 8, K ImageNet's classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.seem_tiny.backbone import EfficientNetLite, Levels
from promptseg.models.seem_tiny.config import GRID, SIXTEENTH
from promptseg.models.seem_tiny.head import PixelHead, WordMap
from promptseg.train.recipes.seem_tiny import losses
from promptseg.train.recipes.seem_tiny.examples import Example
from promptseg.train.recipes.seem_tiny.mixture import Mixture
from promptseg.train.recipes.seem_tiny.phrases import Sentences, imagenet_names, noisy
from promptseg.train.recipes.seem_tiny.start import Start
from promptseg.train.recipes.seem_tiny.views import TRUTH, UNKNOWN

LATE_RATE = 0.15
"""The backbone's late layers learn so many times as fast as the head."""
MOST_AT_ONCE = 24
"""Vocabularies of more classes are thinned to the present ones and `OTHERS`."""
OTHERS = 20
MOST_NAMES = 300
"""Names among which the one of a whole picture is chosen."""
ABSENT = 10
"""Classes of a vocabulary of pictures that are asked to be nowhere."""
NOISE = 0.015
"""Of sentence vectors."""
START_LENGTH = 6.0
"""Length of what the projected wide layer adds to a cell at first; the head's own part begins weaker."""
HEAD_SHARE = 0.2
TEACHER_SHARPNESS = 1.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """How much each loss counts beside the cross entropy of classes."""

    dice: float = 0.5
    region: float = 0.3
    box: float = 0.5
    picture: float = 0.6
    somewhere: float = 0.2
    absent: float = 0.1
    teacher: float = 0.3


class PixelNetwork(nn.Module):
    """The parts of `SeemTiny` that see and read, under the same names, and the scale of naming regions."""

    def __init__(self, backbone: EfficientNetLite) -> None:
        super().__init__()
        self.backbone, self.head, self.words = backbone, PixelHead(), WordMap()
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        self.bias = nn.Parameter(torch.tensor(-4.0))
        self.log_region_scale = nn.Parameter(torch.tensor(3.0))
        early: list[nn.Module] = [backbone.stem, *list(backbone.blocks)[: SIXTEENTH + 1]]
        for module in early:
            module.requires_grad_(False)

    def begin(self, start: Start) -> None:
        """Takes over what the backbone's classifier knew."""
        start.project(self.head.known, START_LENGTH)
        with torch.no_grad():
            self.head.out.weight.mul_(HEAD_SHARE)
            self.words.straight.weight.copy_(start.words)
            for layer in (self.words.bent, self.words.lean):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def levels(self, frames_B3HW: Tensor) -> Levels:
        """Returns the backbone's maps; only the late layers remember how they came about."""
        with torch.no_grad():
            early = self.backbone.early(frames_B3HW)
        return self.backbone.late(*early)

    def logits(self, vectors_DHW: Tensor, sentences_PS: Tensor) -> Tensor:
        """Returns (P, H, W): above 0 where a phrase is seen."""
        words_PD, leans_P = self.words(sentences_PS)
        cosines_PHW = torch.einsum("dhw,pd->phw", vectors_DHW, words_PD)
        return cosines_PHW * self.log_scale.exp() + self.bias + leans_P[:, None, None]


class Teacher:
    """The late layers and the classifier as they were: what whole pictures show, of ImageNet's classes."""

    def __init__(self, backbone: EfficientNetLite, classifier: nn.Linear) -> None:
        self._late, self._classifier = (deepcopy(backbone).requires_grad_(False), classifier.requires_grad_(False))

    @torch.no_grad()
    def __call__(self, levels: Levels, inside_B1HW: Tensor) -> Tensor:
        """Returns sharpened logits (B, K)."""
        wide_BCHW = self._late.late(levels.eighth_BCHW, levels.sixteenth_BCHW).wide_BCHW
        mean_BC = (wide_BCHW * inside_B1HW).sum((2, 3)) / inside_B1HW.sum((2, 3))
        return TEACHER_SHARPNESS * self._classifier(mean_BC)


class PixelTask:
    """Learns from examples of all kinds; see `promptseg.train.task.Task`."""

    TAUGHT = ("imagenet1000", "caltech101", "grocery")
    """Sets whose pictures the teacher always looks at; of the others three in ten."""

    def __init__(
        self,
        network: PixelNetwork,
        mixture: Mixture,
        sentences: Sentences,
        teacher: Teacher,
        *,
        examples: int = 4,
        weights: Weights | None = None,
    ) -> None:
        self.model = network
        self._mixture, self._sentences, self._teacher = mixture, sentences, teacher
        self._examples, self._weights = examples, weights or Weights()

    def batch(self, random: np.random.Generator) -> list[Example]:
        """Draws examples."""
        return [self._mixture.draw(random) for _ in range(self._examples)]

    def losses(self, batch: list[Example], random: np.random.Generator) -> Iterator[Mapping[str, Tensor]]:
        """Yields all losses at once, each a mean over the examples."""
        frames_B3HW = torch.stack([example.frame_3HW for example in batch])
        inside_B1HW = torch.stack([example.view.inside() for example in batch])
        levels = self.model.levels(frames_B3HW.contiguous(memory_format=torch.channels_last))
        vectors_BDHW = self.model.head(levels, inside_B1HW)
        shares_BHW = F.interpolate(inside_B1HW, size=(GRID, GRID))[:, 0]
        found: dict[str, Tensor] = {}
        for example, vectors_DHW, shares_HW in zip(batch, vectors_BDHW, shares_BHW, strict=True):
            for name, loss in self._one(example, vectors_DHW, shares_HW, random).items():
                found[name] = found.get(name, 0) + loss / len(batch)
        taught = [
            index for index, example in enumerate(batch) if example.source in self.TAUGHT or random.random() < 0.3
        ]
        if taught:
            lesson = self._teacher(Levels(*(level[taught] for level in levels)), inside_B1HW[taught])
            said_KD, _ = self.model.words(noisy(self._sentences(imagenet_names()), NOISE, random))
            seen_BD = torch.cat([losses.pooled(vectors_BDHW[index], shares_BHW[index][None]) for index in taught])
            loss = losses.distillation_loss(seen_BD @ said_KD.T * self._region_scale, lesson)
            found["teacher"] = self._weights.teacher * loss * len(taught) / len(batch)
        yield found

    def evaluate(self) -> Mapping[str, float]:
        """Measures nothing: `promptseg evaluate text` and its neighbours do, on the written file."""
        return {}

    @property
    def _region_scale(self) -> Tensor:
        return self.model.log_region_scale.exp()

    def _one(
        self, example: Example, vectors_DHW: Tensor, shares_HW: Tensor, random: np.random.Generator
    ) -> dict[str, Tensor]:
        if example.kind == "classes":
            return self._classes(example, vectors_DHW, random)
        if example.kind == "picture":
            return self._picture(example, vectors_DHW, shares_HW, random)
        said_PS = noisy(self._sentences.said(example.names, example.aliases, random), NOISE, random)
        if example.kind == "everywhere":
            logits = self._fine(self.model.logits(vectors_DHW, said_PS))
            return {"everywhere": losses.everywhere_loss(logits, _truth(example))}
        if example.cells is None:
            return {}
        x0, y0, x1, y1 = example.cells
        box_1HW = torch.zeros(1, GRID, GRID)
        box_1HW[0, y0:y1, x0:x1] = 1
        words_PD, _ = self.model.words(said_PS)
        loss = losses.region_loss(vectors_DHW, box_1HW, words_PD, [example.label], self._region_scale)
        return {"box": self._weights.box * loss}

    def _classes(self, example: Example, vectors_DHW: Tensor, random: np.random.Generator) -> dict[str, Tensor]:
        truth_HW = _truth(example)
        present = [int(number) for number in truth_HW.unique() if 0 < number < UNKNOWN]
        kept = _thinned(len(example.names), present, random)
        renumbered = torch.full((UNKNOWN + 1,), UNKNOWN)
        renumbered[0] = 0
        renumbered[torch.tensor(kept)] = torch.arange(1, len(kept) + 1)
        truth_HW = renumbered[truth_HW]
        names = [example.names[number - 1] for number in kept]
        said_PS = noisy(self._sentences.said(names, example.aliases, random), NOISE, random)
        logits_CHW = self._fine(self.model.logits(vectors_DHW, said_PS))
        cross, dice = losses.classes_loss(logits_CHW, truth_HW)
        found = {"classes": cross, "dice": self._weights.dice * dice}
        if present:
            numbers = [kept.index(number) + 1 for number in present]
            maps = torch.stack([(truth_HW == number).float() for number in numbers])
            shares_RHW = F.interpolate(maps[None], size=(GRID, GRID), mode="area")[0]
            words_PD, _ = self.model.words(said_PS)
            labels = [number - 1 for number in numbers]
            loss = losses.region_loss(vectors_DHW, shares_RHW, words_PD, labels, self._region_scale)
            found["region"] = self._weights.region * loss
        return found

    def _picture(
        self, example: Example, vectors_DHW: Tensor, shares_HW: Tensor, random: np.random.Generator
    ) -> dict[str, Tensor]:
        chosen = list(range(len(example.names)))
        if len(chosen) > MOST_NAMES:
            chosen = random.choice(len(chosen), MOST_NAMES, replace=False).tolist()
        if example.label not in chosen:
            chosen.append(example.label)
        label = chosen.index(example.label)
        names = [example.names[number] for number in chosen]
        said_PS = noisy(self._sentences.said(names, example.aliases, random), NOISE, random)
        words_PD, _ = self.model.words(said_PS)
        named = losses.region_loss(vectors_DHW, shares_HW[None], words_PD, [label], self._region_scale)
        here_HW = self.model.logits(vectors_DHW, said_PS[label][None])[0]
        found = {
            "picture": self._weights.picture * named,
            "somewhere": self._weights.somewhere * losses.somewhere_loss(here_HW, shares_HW),
        }
        others = random.choice(len(names), min(ABSENT, len(names)), replace=False)
        others = others[others != label]
        if len(others):
            elsewhere_CHW = self.model.logits(vectors_DHW, said_PS[torch.from_numpy(others)])
            found["absent"] = self._weights.absent * losses.absent_loss(elsewhere_CHW, shares_HW)
        return found

    def _fine(self, logits_CHW: Tensor) -> Tensor:
        return F.interpolate(logits_CHW[None], size=(TRUTH, TRUTH), mode="bilinear", align_corners=False)[0]


def rate_of(name: str) -> float:
    """Scales the learning rate of a parameter."""
    return LATE_RATE if name.startswith("backbone.") else 1.0


def _thinned(count: int, present: Sequence[int], random: np.random.Generator) -> list[int]:
    """Returns the classes (from 1) to compare a picture with."""
    if count <= MOST_AT_ONCE:
        return list(range(1, count + 1))
    drawn = random.choice(count, OTHERS, replace=False) + 1
    return sorted({*present, *drawn.tolist()})


def _truth(example: Example) -> Tensor:
    if example.truth is None:
        raise ValueError(f"An example of kind {example.kind!r} needs the classes of its pixels.")
    return example.truth
