"""SAM's interactive training (specification A5.1): a simulated user talks to the decoder about known objects.

Each dialogue begins with a click, a box or a rough outline and goes on with corrections, the previous logits always fed
back. After a single click only the best of three masks learns, and their scores learn which one that is; afterwards
the single-mask output learns.

Shapes: B objects of one picture, N prompt tokens, M = 4 masks, C channels, 256 x 256 grid.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from promptseg.arrays import BoolArray
from promptseg.geometry import (
    LABEL_ABSENT,
    LABEL_BOX_END,
    LABEL_BOX_START,
    LABEL_NEGATIVE,
    LABEL_PAD,
    LABEL_POSITIVE,
    MaskGrid,
    Size,
)
from promptseg.hands import prompts
from promptseg.masks.polygons import polygon_to_mask
from promptseg.models.sam.sam import Sam
from promptseg.prompts.encode import MASK_LOGIT
from promptseg.train.losses import actual_iou, iou_loss, sam_mask_loss
from promptseg.train.pictures import Lesson, read

Start = Literal["click", "box", "outline"]

SHARPNESS = 10.0
"""How decidedly the choice among three masks follows their scores when it is trained."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DialogueOptions:
    """How the simulated user behaves.

    Attributes:
        objects: of one picture in a batch.
        rounds: how long dialogues are; each as likely as it stands here.
        learned: rounds of a dialogue that are differentiated: the first, and so many of the others.
        careful: how many corrections go where the evaluation clicks; the rest go to any wrong pixel.
        box: how many dialogues begin with a box.
        outline: how many begin with a rough outline (a box, a click and a mask).
        choice: weight of the loss of choosing among three masks.
    """

    objects: int = 4
    rounds: tuple[int, ...] = (2, 3, 4, 8)
    learned: int = 2
    careful: float = 0.75
    box: float = 0.1
    outline: float = 0.05
    choice: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class DialogueBatch:
    """A picture and some of its objects."""

    lesson: Lesson
    masks: npt.NDArray[np.float32]
    start: Start


class SamDialogue:
    """The task of learning to answer clicks.

    Args:
        sam: the network; what requires gradients is trained.
        groups: files of `pictures.prepare`, in groups, with the weight of each group.
        held: files to measure on.
        talk: see `DialogueOptions`.
    """

    def __init__(
        self, sam: Sam, groups: Sequence[tuple[float, Sequence[Path]]], held: Sequence[Path], talk: DialogueOptions
    ) -> None:
        self.model, self._talk = sam, talk
        self._groups, self._held = groups, held
        weights = np.array([weight for weight, _ in groups], np.float64)
        self._weights = weights / weights.sum()

    def batch(self, random: np.random.Generator) -> DialogueBatch:
        """Draws a picture, some of its objects, and how the dialogue begins."""
        paths = self._groups[int(random.choice(len(self._groups), p=self._weights))][1]
        lesson = read(paths[int(random.integers(len(paths)))])
        count = min(self._talk.objects, len(lesson.masks))
        chosen = random.choice(len(lesson.masks), count, replace=False)
        dice = random.random()
        box, outline = self._talk.box, self._talk.outline
        start: Start = "box" if dice < box else "outline" if dice < box + outline else "click"
        return DialogueBatch(lesson, lesson.masks[chosen], start)

    def losses(self, batch: DialogueBatch, random: np.random.Generator) -> Iterator[Mapping[str, Tensor]]:
        """Holds a dialogue about every object of the batch and yields the losses of the rounds that learn."""
        count = self._talk.rounds[int(random.integers(len(self._talk.rounds)))]
        others = random.permutation(np.arange(1, count))[: self._talk.learned].tolist()
        learned = {0, *others}
        device = next(self.model.parameters()).device
        talk = _Dialogue(batch, random, self._talk.careful)
        truth = torch.tensor(batch.masks, device=device)
        counted = torch.tensor(batch.lesson.counted, device=device)
        trains_encoder = any(p.requires_grad for p in self.model.image_encoder.parameters())
        embedding = None
        for number in range(count):
            with torch.set_grad_enabled(number in learned):
                if embedding is None or (trains_encoder and number in learned):
                    embedding = self._embed(batch.lesson, device)
                logits, scores = self._answer(talk, embedding, device)
            if number in learned:
                yield self._round(logits, scores, truth, counted, talk.ambiguous, 1 / len(learned))
            talk.hear(logits, scores)

    def _embed(self, lesson: Lesson, device: torch.device) -> Tensor:
        if lesson.features is not None:
            return torch.tensor(lesson.features, device=device)
        return self.model(torch.tensor(lesson.encoder_input(), device=device))

    def _answer(self, talk: "_Dialogue", embedding: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        memory = None if talk.memory is None else talk.memory.to(device)
        points, labels = (torch.tensor(array, device=device) for array in (talk.points, talk.labels))
        logits, scores = self.model.predict_masks(embedding, points, labels, memory)
        return logits.float(), scores.float()

    def _round(
        self, logits: Tensor, scores: Tensor, truth: Tensor, counted: Tensor, ambiguous: bool, share: float
    ) -> Mapping[str, Tensor]:
        known = counted.expand_as(truth)
        chosen = slice(1, 4) if ambiguous else slice(0, 1)
        loss_BM = sam_mask_loss(logits[:, chosen], truth, known)
        shape = logits[:, chosen].shape
        iou_BM = actual_iou(logits[:, chosen], truth[:, None].expand(shape), known[:, None].expand(shape))
        found = {
            "mask": share * loss_BM.min(1).values.mean(),
            "score": share * iou_loss(scores[:, chosen], iou_BM).mean(),
        }
        if not ambiguous:
            return found
        trust_BM = (SHARPNESS * scores[:, chosen]).softmax(1)
        choice = (iou_BM.max(1).values - (trust_BM * iou_BM).sum(1)).mean()
        return {
            **found,
            "choice": share * self._talk.choice * choice,
            "first": iou_BM.gather(1, scores[:, chosen].argmax(1, keepdim=True)).mean(),
            "best": iou_BM.max(1).values.mean(),
        }

    def evaluate(self) -> Mapping[str, float]:
        """Mean IoU over the held-out objects after 1, 2, 3 and 5 careful clicks, and of the best first mask."""
        found: list[list[float]] = []
        device = next(self.model.parameters()).device
        for path in self._held:
            lesson = read(path)
            batch = DialogueBatch(lesson, lesson.masks[: self._talk.objects], "click")
            talk = _Dialogue(batch, np.random.default_rng(0), 1.0)
            truth, counted = (torch.tensor(batch.masks), torch.tensor(lesson.counted)[None].expand(batch.masks.shape))
            embedding = self._embed(lesson, device)
            rows: list[Tensor] = []
            for number in range(5):
                logits, scores = self._answer(talk, embedding, device)
                if number == 0:
                    each = [actual_iou(logits[:, m].cpu(), truth, counted) for m in (1, 2, 3)]
                    rows.append(torch.stack(each).max(0).values)
                talk.hear(logits, scores)
                rows.append(actual_iou(talk.given[:, 0], truth, counted))
            found += torch.stack(rows, 1).tolist()
        if not found:
            return {}
        means = np.mean(found, axis=0)
        names = ("best_of_three", "iou_1", "iou_2", "iou_3", "iou_4", "iou_5")
        return {name: float(mean) for name, mean in zip(names, means, strict=True) if name != "iou_4"}


class _Dialogue:
    """The user's side: what was said so far, in the tokens of the decoder."""

    def __init__(self, batch: DialogueBatch, random: np.random.Generator, careful: float) -> None:
        self._truth: BoolArray = batch.masks > 0.5
        self._counted: BoolArray = batch.lesson.counted > 0.5
        self._random, self._careful = random, careful
        self.memory: Tensor | None = None
        self.given = torch.empty(0)
        self.ambiguous = batch.start == "click"
        starts = [self._begin(mask, batch.start) for mask in self._truth]
        self.points = np.stack([points for points, _ in starts])
        self.labels = np.stack([labels for _, labels in starts])
        if batch.start == "outline":
            self.memory = torch.tensor(np.stack([self._outline(mask) for mask in self._truth])[:, None])

    def _begin(self, mask: BoolArray, start: Start) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        places: list[tuple[float, float]] = []
        labels: list[int] = []
        if start != "box":
            careful = self._random.random() < self._careful
            places.append(prompts.deepest_point(mask)[0] if careful else prompts.random_point(mask, self._random))
            labels.append(LABEL_POSITIVE)
        if start == "click":
            places.append((0.0, 0.0))
            labels.append(LABEL_PAD)
        else:
            x0, y0, x1, y1 = prompts.noisy_box(mask, self._random)
            places += [(x0, y0), (x1, y1)]
            labels += [LABEL_BOX_START, LABEL_BOX_END]
        points = np.array(places, np.float32) * 4
        points[np.array(labels) == LABEL_POSITIVE] -= (
            0.5  # a click names a pixel; SAM adds the half that leads to its centre
        )
        return points, np.array(labels, np.int64)

    def _outline(self, mask: BoolArray) -> npt.NDArray[np.float32]:
        drawn = polygon_to_mask(prompts.rough_polygon(mask, self._random), Size(MaskGrid.SIDE, MaskGrid.SIDE))
        return np.where(drawn, MASK_LOGIT, -MASK_LOGIT).astype(np.float32)

    def hear(self, logits: Tensor, scores: Tensor) -> None:
        """Takes the answer (as SAM's recipe chooses it) and clicks where it is wrong."""
        rows = torch.arange(len(logits), device=logits.device)
        chosen = 1 + scores[:, 1:].argmax(1) if self.ambiguous else torch.zeros_like(rows)
        self.memory = logits[rows, chosen].detach()[:, None].cpu()
        self.given, self.ambiguous = self.memory, False
        clicks = [
            prompts.correction(guess, truth, self._random, counted=self._counted, deepest=self._careful)
            for guess, truth in zip((self.memory[:, 0] > 0).numpy(), self._truth, strict=True)
        ]
        places = [(0.0, 0.0) if c is None else (4 * c[0] - 0.5, 4 * c[1] - 0.5) for c in clicks]
        labels = [LABEL_ABSENT if c is None else LABEL_POSITIVE if c[2] else LABEL_NEGATIVE for c in clicks]
        self.points = np.concatenate([self.points, np.array(places, np.float32)[:, None]], 1)
        self.labels = np.concatenate([self.labels, np.array(labels, np.int64)[:, None]], 1)
