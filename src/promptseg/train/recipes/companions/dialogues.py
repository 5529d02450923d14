"""Dialogues that the retouching network learns from: what SAM answered, what was shown, and windows of it.

Shapes: H W the picture's part of the mask grid, T steps (clicks) of a dialogue, SIDE the side of a window in cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float16, Float32
from promptseg.datasets.samples import Sample, Target
from promptseg.geometry import MaskGrid
from promptseg.hands import prompts
from promptseg.hands.clicks import next_click
from promptseg.images import Image
from promptseg.masks.upsample import downsample_mask
from promptseg.models.companions.retouch import CELL, MOST, RetouchInputs, Shades, retouch_inputs
from promptseg.models.network import DEFAULT_MODEL
from promptseg.prompts.types import Box, PlacePrompt, Point
from promptseg.runtimes.companions import Companions
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage, embed
from promptseg.segment.places.refine import PlaceAnswer, refine
from promptseg.segment.places.retouch import shades
from promptseg.train import pictures

SIDE, JITTER = 144, 16.0
"""Cells along a window, and by how many its place is off in training."""
ANY_CLICK, ENOUGH = 0.2, 0.98
"""How often a click goes to any wrong place, and the IoU at which nobody clicks any more."""
BOXED, LOOSE = 0.35, 0.5
"""How often a dialogue begins with a box; how often a first click goes elsewhere than to the deepest place."""


@dataclass(frozen=True, eq=False)
class RecordedDialogue:
    """A dialogue about one object, on the mask grid.

    Attributes:
        shades: (2 H, 2 W, 3) the picture.
        embedding: (256, 64, 64).
        truth: (H, W) which share of each cell the object covers.
        counted: (H, W) where the truth is known.
        clicks: (T or T - 1, 3) x, y in cells, and 1 on the object or 0 beside it; one less after a box.
        answers: (T, 2, H, W) logits of SAM's answer to each click, and of the mask that was shown.
    """

    shades: Shades
    embedding: Float16
    truth: Float16
    counted: BoolArray
    clicks: Float32
    answers: Float16

    def heard(self, number: int) -> Float32:
        """Returns the clicks up to an answer."""
        return self.clicks[: number + 1 + len(self.clicks) - len(self.answers)]

    @classmethod
    def read(cls, path: Path, number: int) -> "RecordedDialogue":
        """Reads one of the dialogues that `hold` held."""
        own = ("truth", "counted", "clicks", "answers")
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["shades"], stored["embedding"], *(stored[f"{name}{number}"] for name in own))


def hold(
    sample: Sample, runtime: Runtime, companions: Companions, random: np.random.Generator, objects: int, clicks: int
) -> dict[str, npt.NDArray[Any]]:
    """Holds dialogues about some objects of a picture; returns those of two answers and more, and their number."""
    embedded = embed(runtime, Image.open(sample.picture), DEFAULT_MODEL)
    indices = random.permutation(len(sample.targets))[:objects]
    held = [_held(sample.targets[index], embedded, random, runtime, companions, clicks) for index in indices]
    kept = [each for each in held if len(each["answers"]) > 1]
    return {
        "shades": shades(embedded),
        "embedding": embedded.features[0].astype(np.float16),
        "count": np.array(len(kept)),
        **{f"{name}{number}": array for number, each in enumerate(kept) for name, array in each.items()},
    }


def _held(
    target: Target,
    embedded: EmbeddedImage,
    random: np.random.Generator,
    runtime: Runtime,
    companions: Companions,
    most: int,
) -> dict[str, npt.NDArray[Any]]:
    truth, ignored = target.mask(), target.ignored()
    known = np.ones_like(truth) if ignored is None else ~ignored
    height, width = MaskGrid.of(embedded.frame)
    before: PlaceAnswer | None = None
    clicked: list[tuple[int, int]] = []
    signs: list[bool] = []
    answers: list[Float16] = []
    for number in range(most):
        guess = np.zeros_like(truth) if before is None else before.mask.dense()
        click = next_click(guess, truth, ignored, clicked)
        if click is None:
            break
        prompt: PlacePrompt
        if before is None and random.random() < BOXED:
            prompt = Box(*prompts.noisy_box(truth & known, random))
        else:
            x, y, sign = click.x, click.y, click.positive
            if random.random() < (ANY_CLICK if number else LOOSE):
                anywhere = prompts.random_point if number or random.random() < 0.5 else prompts.inner_point
                x, y = (int(value) for value in anywhere((truth ^ guess) & known, random))
                sign = bool(truth[y, x])
            clicked.append((x, y))
            signs.append(sign)
            prompt = Point(x, y, sign)
        before = refine(runtime, embedded, before, (prompt,), companions=companions)
        both = np.stack([(before.plain or before).logits, before.logits])[:, :height, :width]
        answers.append(both.clip(-MOST, MOST).astype(np.float16))
        if pictures.ious(before.mask.dense()[None], truth, known)[0] > ENOUGH:
            break
    places = embedded.frame.to_model(np.reshape(clicked, (-1, 2))) / CELL
    truth, known = (
        downsample_mask(mask.astype(np.float32), embedded.frame)[:height, :width] for mask in (truth, known)
    )
    return {
        "truth": truth.astype(np.float16),
        "counted": known > 0.5,
        "clicks": np.column_stack([places, signs]).astype(np.float32),
        "answers": np.stack(answers) if answers else np.zeros((0, 2, height, width), np.float16),
    }


@dataclass(frozen=True, eq=False)
class Window:
    """What the network is asked about a part of a picture; what it should answer is in the dialogue."""

    dialogue: RecordedDialogue
    place: tuple[slice, slice]
    logits: Float32
    before: Float32
    clicks: Float32
    light: tuple[float, float] = (1.0, 0.0)
    mirrored: bool = False

    def inputs(self) -> RetouchInputs:
        """Returns what the network sees."""
        contrast, brightness = self.light
        seen = (self.dialogue.shades.astype(np.float32) - 128) * contrast + 128 + brightness
        seen = seen.clip(0, 255).astype(np.uint8)
        embedding = self.dialogue.embedding[None].astype(np.float32)
        return retouch_inputs(seen, self.logits, self.before, self.clicks, embedding, self.place)

    def part(self, array: npt.NDArray[np.floating] | BoolArray) -> Float32:
        """Cuts the window out of something (H, W), with zeros beyond the picture."""
        found = array[self.place].astype(np.float32)
        return np.pad(found, [(0, SIDE - length) for length in found.shape])

    def again(self, answer: Float32) -> "Window | None":
        """Returns the window after a click into what an answer (SIDE, SIDE) left wrong."""
        before = self.before.copy()
        shown = before[self.place]
        shown[:] = answer[: shown.shape[0], : shown.shape[1]]
        truth, known = self.part(self.dialogue.truth) > 0.5, self.part(self.dialogue.counted) > 0
        click = next_click(answer > 0, truth, ~known)
        if click is None:
            return None
        rows, columns = self.place
        new = [click.x + 0.5 + columns.start, click.y + 0.5 + rows.start, click.positive]
        return replace(self, before=before, clicks=np.array([*self.clicks, new], np.float32))


def draw(dialogue: RecordedDialogue, number: int, random: np.random.Generator | None) -> Window:
    """Places a window about the object, or about the newest click on an object larger than a window.

    Args:
        dialogue: what was recorded.
        number: of the answer, from 1 (the second).
        random: moves, mirrors and lights the window; None leaves it as it is.
    """
    logits = dialogue.answers[number, 0].astype(np.float32)
    clicks = dialogue.heard(number)
    seen = (dialogue.truth > 0.5) | (logits > 0)
    ends: list[tuple[float, float]] = []
    for lines, places in ((seen.any(1), clicks[:, 1]), (seen.any(0), clicks[:, 0])):
        found = np.flatnonzero(lines)
        ends.append((min([*found[:1], places.min()]), max([*found[-1:], places.max()])))
    if max(last - first for first, last in ends) > SIDE - 16:
        ends = [(value, value) for value in clicks[-1, 1::-1]]
    starts: list[int] = []
    for (first, last), length in zip(ends, seen.shape, strict=True):
        middle = (first + last) / 2 + (0 if random is None else random.normal() * JITTER)
        starts.append(int(np.clip(middle - SIDE / 2, 0, max(0, length - SIDE))) // CELL * CELL)
    place = (slice(starts[0], starts[0] + SIDE), slice(starts[1], starts[1] + SIDE))
    before = dialogue.answers[number - 1, 1].astype(np.float32)
    if random is None:
        return Window(dialogue, place, logits, before, clicks)
    light = (random.uniform(0.8, 1.2), random.uniform(-20, 20))
    return Window(dialogue, place, logits, before, clicks, light, random.random() < 0.5)


def mirrored(windows: Sequence[Window], rows: Sequence[Float32]) -> list[Float32]:
    """Returns arrays (..., SIDE), mirrored where their windows are."""
    return [
        np.ascontiguousarray(row[..., ::-1]) if window.mirrored else row
        for window, row in zip(windows, rows, strict=True)
    ]
