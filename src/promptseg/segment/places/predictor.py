"""Prompts to masks: a pure function of an embedding and prompts (SAM paper 3; specification A1.2, A2.4, A3.4-6)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.geometry import LABEL_BOX_END, LABEL_BOX_START, MaskGrid, ResizeFrame
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_to_rle
from promptseg.models.companions.choice import Choice
from promptseg.prompts.encode import EncodedObject, pad_objects
from promptseg.prompts.request import Granularity, Prompts, Request
from promptseg.runtimes.companions import NO_COMPANIONS, Companions
from promptseg.runtimes.protocol import DecoderInputs, Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places.tidy import tidied

NESTED = ("part", "object", "whole")

SIZE_PRICE, HALF_PRICE = 0.03, 0.2
"""What a mask's share of the picture, and covering more than half of it, take off its score; see `likeliest`."""

ALIKE = 0.9
"""Masks of at least this IoU are the same answer."""

ENCLOSED = 0.5
"""A circle of whose first mask at least so much lies in its box was drawn around the object (chosen on train sets,
benchmarks/dialogues.md)."""

CHUNK = 16
"""Objects decoded per call: it bounds memory; larger batches are not faster on a CPU."""


class Chosen(NamedTuple):
    """Which of four masks answers.

    Attributes:
        number: of the mask.
        granularity: its name, where one was asked for.
        margin: how much better than the best mask that differs from it it is expected to fit; 1 where none does, or
            where there was nothing to choose.
    """

    number: int
    granularity: str | None = None
    margin: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """All four masks that the decoder proposes for one object.

    Attributes:
        logits: (4, 256, 256); 0 is the single-mask output.
        scores: (4,) predicted IoU.
        click: x, y in the model's frame of the single click that they answer, if there is nothing else.
        choice: chooses among the three for such a click, where the model has learned it.
    """

    logits: Float32
    scores: Float32
    click: tuple[float, float] | None = None
    choice: Choice | None = None

    def best_of_three(self) -> int:
        """Index of the ambiguity-aware mask with the highest score, as the official recipe chooses."""
        return 1 + int(np.argmax(self.scores[1:]))

    def likeliest(self, frame: ResizeFrame) -> "Chosen":
        """The ambiguity-aware mask that answers a single click best: as learned, or by score and by size.

        SAM's scores often prefer a background that fills the picture. A person who clicks once rarely means more than
        half of the picture, so large masks pay for their size (chosen on dev sets, benchmarks/clicks.md).
        """
        expected = self.expected(frame)
        best = int(np.argmax(expected))
        height, width = MaskGrid.of(frame)
        masks = self.logits[1:, :height, :width] > 0
        shared = (masks & masks[best]).sum((1, 2)) / np.maximum(1, (masks | masks[best]).sum((1, 2)))
        others = expected[shared < ALIKE]
        return Chosen(1 + best, None, float(expected[best] - others.max()) if len(others) else 1.0)

    def expected(self, frame: ResizeFrame) -> Float32:
        """IoU (3,) that each of the three probably has with what is meant: as learned, or by score and by size."""
        if self.choice is not None and self.click is not None:
            height, width = MaskGrid.of(frame)
            x, y = self.click
            return self.choice.expected(
                self.logits[1:, :height, :width], self.scores[1:], (x / MaskGrid.CELL, y / MaskGrid.CELL)
            )
        share = self._shares(frame)
        return np.asarray(self.scores[1:] - SIZE_PRICE * share - HALF_PRICE * (share > 0.5), np.float32)

    def nested(self, frame: ResizeFrame) -> tuple[int, int, int]:
        """Indices of the three ambiguity-aware masks from the smallest to the largest inside the picture."""
        order = np.argsort(self._shares(frame), kind="stable")
        first, second, third = (1 + int(index) for index in order)
        return first, second, third

    def _shares(self, frame: ResizeFrame) -> npt.NDArray[np.float64]:
        """Which part of the picture each of the three covers, on the low-resolution grid."""
        height, width = MaskGrid.of(frame)
        return (self.logits[1:, :height, :width] > 0).mean((1, 2))


def segment(
    runtime: Runtime,
    embedded: EmbeddedImage,
    prompts: Prompts,
    *,
    granularity: Granularity = "auto",
    companions: Companions = NO_COMPANIONS,
) -> Segments:
    """Segments the objects that the prompts speak of.

    Returns:
        One mask per object, in order; three per object with granularity "all", from part to whole.

    Raises:
        PromptError: a prompt is malformed or does not fit the picture or the model.
        InputError: an unknown granularity.
    """
    check_granularity(granularity)
    request = Request.of(prompts)
    encoded = [request.encoded(number, embedded.frame) for number in range(len(request.objects))]
    masks, scores, logits, owners, kinds, margins = [], [], [], [], [], []
    answers = decode(runtime, embedded, encoded, choice=companions.choice)
    if granularity == "auto":
        answers = decode_again(runtime, embedded, encoded, answers)
    for owner, (item, candidates) in enumerate(zip(encoded, answers, strict=True)):
        for index, kind, margin in choose(candidates, item.ambiguous, granularity, embedded.frame):
            mask = upsample_to_rle(candidates.logits[index], embedded.frame)
            masks.append(mask if companions.retouch is None else tidied(mask, item, embedded.frame))
            scores.append(candidates.scores[index])
            logits.append(candidates.logits[index])
            owners.append(owner)
            kinds.append(kind)
            margins.append(margin)
    return Segments(
        size=embedded.size,
        masks=tuple(masks),
        scores=np.asarray(scores, np.float32),
        labels=(None,) * len(masks),
        prompts=tuple(request.objects[owner] for owner in owners),
        object_ids=np.asarray(owners, np.int64),
        granularities=tuple(kinds),
        low_res_logits=np.stack(logits),
        image=embedded.image.pixels,
        margins=np.array(margins, np.float32) if any(item.ambiguous for item in encoded) else None,
    )


def decode(
    runtime: Runtime,
    embedded: EmbeddedImage,
    objects: Sequence[EncodedObject],
    *,
    choice: Choice | None = None,
    official: bool = False,
) -> list[Candidates]:
    """Decodes encoded objects, those with and those without a mask prompt apart, in bounded batches.

    `choice` goes with the answers to single clicks; `official` asks the checkpoint's own decoder, see `Runtime.decode`.
    """
    out: dict[int, Candidates] = {}
    for masked in (False, True):
        rows = [row for row, item in enumerate(objects) if (item.mask_logits is not None) == masked]
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            points, labels = pad_objects([objects[row] for row in chunk])
            logits = np.stack([objects[row].mask_logits for row in chunk])[:, None] if masked else None  # type: ignore[arg-type]
            result = runtime.decode(embedded.features, DecoderInputs(points, labels, logits), official=official)
            for position, row in enumerate(chunk):
                x, y = objects[row].points[0].tolist()
                click = (x, y) if objects[row].ambiguous else None
                out[row] = Candidates(result.logits[position], result.scores[position], click, choice)
    return [out[row] for row in range(len(objects))]


def decode_again(
    runtime: Runtime, embedded: EmbeddedImage, objects: Sequence[EncodedObject], answers: Sequence[Candidates]
) -> list[Candidates]:
    """Gives the objects that gain by it (strokes, circles) a second pass, with what the first one told."""
    rows = [row for row, item in enumerate(objects) if item.again]
    again = [_again(objects[row], answers[row].logits[0]) for row in rows]
    better = dict(zip(rows, decode(runtime, embedded, again), strict=True))
    return [better.get(row, answer) for row, answer in enumerate(answers)]


def _again(item: EncodedObject, logits: Float32) -> EncodedObject:
    """Returns an object with its first single mask as mask prompt, or with the box of the circle that it lies in."""
    if item.around is not None:
        x0, y0, x1, y1 = (item.around / MaskGrid.CELL).astype(np.int64).tolist()
        mask = logits > 0
        if np.count_nonzero(mask[y0:y1, x0:x1]) >= ENCLOSED * max(1, np.count_nonzero(mask)):
            points = np.vstack([item.points[:-1], item.around.reshape(2, 2)]).astype(np.float32)
            labels = np.append(item.labels[:-1], [LABEL_BOX_START, LABEL_BOX_END])
            return replace(item, points=points, labels=labels)
    return replace(item, mask_logits=logits)


def choose(candidates: Candidates, ambiguous: bool, granularity: Granularity, frame: ResizeFrame) -> list[Chosen]:
    """Chooses which candidates answer, with the names of the granularities where they were asked for."""
    if granularity == "auto":
        return [candidates.likeliest(frame) if ambiguous else Chosen(0)]
    order = candidates.nested(frame)
    if granularity == "all":
        return [Chosen(index, name) for index, name in zip(order, NESTED, strict=True)]
    return [Chosen(order[NESTED.index(granularity)], granularity)]


def check_granularity(granularity: str) -> None:
    """Refuses unknown granularities.

    Raises:
        InputError: the name is unknown.
    """
    if granularity not in get_args(Granularity):
        raise InputError(f"Unknown granularity {granularity!r}: expected {', '.join(get_args(Granularity))}.")
