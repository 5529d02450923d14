"""Trains the network that draws the border of a corrected mask anew, and writes it into the package.

    python tools/train_retouch.py talk DATA --cache PLAIN --plain   # dialogues of the session without it; resumable
    python tools/train_retouch.py fit --cache PLAIN                 # trains, says how held-out pictures fare, writes it
    python tools/train_retouch.py talk DATA --cache OWN             # dialogues with it: it meets its own masks
    python tools/train_retouch.py fit --cache PLAIN --cache OWN --go-on --steps 6000

A stopped `fit` goes on from its last checkpoint (PLAIN/fit.pt) when the same command is given again.

DATA holds the folders of SETS; objects are those of `promptseg evaluate clicks`; every sixth picture is held out. The
simulated user clicks the deepest place of the larger error, now and then any wrong place. Half of a batch is answered
twice: once more after a click into what the network itself left wrong.

Shapes: B windows of SIDE x SIDE cells.
"""

import argparse
import copy
import os
import pickle
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from promptseg import Segmenter
from promptseg.datasets.open import open_dataset
from promptseg.datasets.samples import Sample, Target
from promptseg.evaluate.metrics import iou
from promptseg.hands import prompts
from promptseg.hands.clicks import next_click
from promptseg.masks.upsample import downsample_mask
from promptseg.models.companions.retouch import CELL, FILES, MOST, RetouchInputs, retouch_inputs, retouch_of
from promptseg.models.companions.retouch_network import Retouch
from promptseg.models.int8 import SCALE, in_int8
from promptseg.models.network import DEFAULT_MODEL
from promptseg.models.tensors import write_safetensors
from promptseg.prompts.types import Point
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places.predictor import cells
from promptseg.segment.places.refine import PlaceAnswer, refine
from promptseg.segment.places.retouch import shades

SETS = {"coco": (300, 160), "voc": (400, 184), "ccp": (400, 118), "nuclei": (0, 49)}
"""Folders of DATA: the smallest object (pixels), and how many pictures, evenly strided."""
PLAIN_TALK, OWN_TALK = (3, 9), (2, 8)
"""Objects of a picture and clicks on each, without the network and with it."""
ANY_CLICK, ENOUGH = 0.2, 0.98
SIDE, BATCH, STEPS, RATE, LAST_RATE, JITTER, HELD = 144, 8, 1700, 1.5e-3, 1e-5, 16.0, 6
FALL = 2.0
"""Weight of what an answer falls below the mask so far."""
TARGET = Path(__file__).resolve().parent.parent / "src/promptseg/models/weights" / FILES[DEFAULT_MODEL]

Float32 = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Step:
    """A click of a dialogue: the answer of SAM, and the mask that was shown."""

    logits: npt.NDArray[np.float16]
    shown: npt.NDArray[np.float16]


@dataclass(frozen=True)
class Scene:
    """A picture and the dialogues about its objects."""

    shades: npt.NDArray[np.uint8]
    embedding: npt.NDArray[np.float16]
    talks: list["Talk"]


@dataclass(frozen=True)
class Talk:
    """A dialogue: the truth and what counts (H, W), the clicks (x, y in cells, sign), and the steps."""

    truth: npt.NDArray[np.float16]
    counted: BoolArray
    clicks: Float32
    steps: list[Step]


def talk(data: Path, cache: Path, *, plain: bool) -> None:
    """Holds dialogues about objects of the training pictures and stores what the network would have seen."""
    segmenter = Segmenter()
    runtime = segmenter.runtime
    if plain:
        runtime.retouch = None  # type: ignore[misc]
    cache.mkdir(parents=True, exist_ok=True)
    objects, clicks = PLAIN_TALK if plain else OWN_TALK
    for name, (least, most) in SETS.items():
        samples = open_dataset(data / name, min_area=least).samples
        count = min(most, len(samples))
        for number in range(count):
            index = number * len(samples) // count
            target = cache / f"{name}_{index:04d}.pickle"
            if not target.exists():
                random = np.random.default_rng(zlib.crc32(target.stem.encode()) + (not plain))
                embedded = segmenter.embed(samples[index].picture)
                scene = _scene(samples[index], embedded, random, runtime, objects, clicks)
                target.write_bytes(pickle.dumps(scene))
            if number % 20 == 0:
                print(f"{name}: {number} of {count} pictures", flush=True)


def _scene(
    sample: Sample,
    embedded: EmbeddedImage,
    random: np.random.Generator,
    runtime: Runtime,
    objects: int,
    clicks: int,
) -> Scene:
    chosen = [sample.targets[i] for i in random.permutation(len(sample.targets))[:objects]]
    talks = [_talk(target, embedded, random, runtime, clicks) for target in chosen]
    return Scene(
        shades(embedded), embedded.features[0].astype(np.float16), [t for t in talks if len(t.steps) > 1]
    )


def _talk(
    target: Target, embedded: EmbeddedImage, random: np.random.Generator, runtime: Runtime, most: int
) -> Talk:
    truth, ignored = target.mask(), target.ignored()
    height, width = cells(embedded.frame)
    before: PlaceAnswer | None = None
    clicked: list[tuple[int, int]] = []
    signs: list[bool] = []
    steps: list[Step] = []
    for number in range(most):
        guess = np.zeros_like(truth) if before is None else before.mask.dense()
        click = next_click(guess, truth, ignored, clicked)
        if click is None:
            break
        x, y, sign = click.x, click.y, click.positive
        if number and random.random() < ANY_CLICK:
            wrong = (truth ^ guess) if ignored is None else (truth ^ guess) & ~ignored
            x, y = (int(value) for value in prompts.random_point(wrong, random))
            sign = bool(truth[y, x])
        clicked.append((x, y))
        signs.append(sign)
        before = refine(runtime, embedded, before, (Point(x, y, sign),))
        both = [(before.plain or before).logits, before.logits]
        steps.append(Step(*(part[:height, :width].clip(-MOST, MOST).astype(np.float16) for part in both)))
        if iou(before.mask.dense(), truth, ignored) > ENOUGH:
            break
    places = embedded.frame.to_model(clicked) / CELL
    counted = np.ones((height, width), bool)
    if ignored is not None:
        counted = downsample_mask(ignored.astype(np.float32), embedded.frame)[:height, :width] < 0.5
    coarse = downsample_mask(truth.astype(np.float32), embedded.frame)[:height, :width]
    return Talk(
        coarse.astype(np.float16), counted, np.column_stack([places, signs]).astype(np.float32), steps
    )


@dataclass(frozen=True)
class Window:
    """What the network is asked about a part of a picture; what it should answer is in the talk."""

    scene: Scene
    talk: Talk
    place: tuple[slice, slice]
    logits: Float32
    before: Float32
    clicks: Float32
    light: tuple[float, float] = (1.0, 0.0)
    mirrored: bool = False

    def inputs(self) -> RetouchInputs:
        """Returns what the network sees."""
        contrast, brightness = self.light
        seen = (self.scene.shades.astype(np.float32) - 128) * contrast + 128 + brightness
        embedding = self.scene.embedding[None].astype(np.float32)
        seen = seen.clip(0, 255).astype(np.uint8)
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
        truth, known = self.part(self.talk.truth) > 0.5, self.part(self.talk.counted) > 0
        click = next_click(answer > 0, truth, ~known)
        if click is None:
            return None
        rows, columns = self.place
        new = [click.x + 0.5 + columns.start, click.y + 0.5 + rows.start, click.positive]
        return replace(self, before=before, clicks=np.array([*self.clicks, new], np.float32))


def draw(scene: Scene, talk: Talk, number: int, random: np.random.Generator | None) -> Window:
    """Places a window about the object, or about the newest click on an object larger than a window."""
    logits = talk.steps[number].logits.astype(np.float32)
    clicks = talk.clicks[: number + 1]
    seen = (talk.truth > 0.5) | (logits > 0)
    ends = []
    for lines, places in ((seen.any(1), clicks[:, 1]), (seen.any(0), clicks[:, 0])):
        found = np.flatnonzero(lines)
        ends.append((min([*found[:1], places.min()]), max([*found[-1:], places.max()])))
    if max(last - first for first, last in ends) > SIDE - 16:
        ends = [(value, value) for value in clicks[-1, 1::-1]]
    starts = []
    for (first, last), length in zip(ends, seen.shape, strict=True):
        middle = (first + last) / 2 + (0 if random is None else random.normal() * JITTER)
        starts.append(int(np.clip(middle - SIDE / 2, 0, max(0, length - SIDE))) // CELL * CELL)
    place = (slice(starts[0], starts[0] + SIDE), slice(starts[1], starts[1] + SIDE))
    before = talk.steps[number - 1].shown.astype(np.float32)
    if random is None:
        return Window(scene, talk, place, logits, before, clicks)
    light = (random.uniform(0.8, 1.2), random.uniform(-20, 20))
    return Window(scene, talk, place, logits, before, clicks, light, random.random() < 0.5)


def answer(network: Retouch, windows: Sequence[Window]) -> tuple[Tensor, list[Float32]]:
    """Returns logits (B, SIDE, SIDE), mirrored where the windows are, and the same as arrays that are not."""
    batch: list[list[npt.NDArray[np.float32]]] = []
    for window in windows:
        seen = window.inputs()
        pixels, others = seen.pixels[0], [seen.maps[0], seen.embedding[0]]
        if window.mirrored:
            pairs = pixels.reshape(2, 2, 3, SIDE, SIDE)[:, ::-1, :, :, ::-1]
            pixels, others = pairs.reshape(pixels.shape), [part[..., ::-1] for part in others]
        batch.append([pixels, *others])
    tensors = [torch.from_numpy(np.stack(parts)) for parts in zip(*batch, strict=True)]
    logits = network(*(part.contiguous(memory_format=torch.channels_last) for part in tensors))[:, 0]
    plain = [
        row[:, ::-1] if window.mirrored else row
        for row, window in zip(logits.detach().numpy(), windows, strict=True)
    ]
    return logits, [np.ascontiguousarray(row) for row in plain]


def loss_of(logits: Tensor, windows: Sequence[Window]) -> Tensor:
    """Cross entropy by the object's size, soft IoU, and what the answer falls below the mask so far."""

    def stacked(name: str) -> Tensor:
        rows = [
            window.part(getattr(window.talk, name) if name != "before" else window.before > 0)
            for window in windows
        ]
        flipped = [
            row[:, ::-1] if window.mirrored else row for row, window in zip(rows, windows, strict=True)
        ]
        return torch.from_numpy(np.stack(flipped))

    truth, counted, before = stacked("truth"), stacked("counted"), stacked("before")
    cross = F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * counted
    area = (truth * counted).sum((1, 2)).clamp(50, 8000)

    def overlap(chance: Tensor) -> Tensor:
        both, either = chance * truth * counted, (chance + truth - chance * truth) * counted
        return both.sum((1, 2)) / either.sum((1, 2)).clamp(min=1)

    reached = overlap(logits.sigmoid())
    fall = (overlap(before) - reached).clamp(min=0)
    return (cross.sum((1, 2)) / area / 2 + 2 * (1 - reached) + FALL * fall).mean()


def fit(caches: Sequence[Path], *, go_on: bool, steps: int, output: Path) -> None:
    """Trains on cached dialogues, says how held-out pictures fare, and writes the averaged weights."""
    learned: list[tuple[Scene, Talk]] = []
    held: list[tuple[Scene, Talk]] = []
    for path in sorted(path for cache in caches for path in cache.glob("*.pickle")):
        scene: Scene = pickle.loads(path.read_bytes())  # noqa: S301 - written by `talk`
        group = held if zlib.crc32(path.stem.encode()) % HELD == 0 else learned
        group += [(scene, talk) for talk in scene.talks]
    print(f"{len(learned)} dialogues, {len(held)} held out", flush=True)
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    network = Retouch().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    known = retouch_of(DEFAULT_MODEL) if go_on else None
    if known is not None:
        network.load_state_dict({name: torch.tensor(array) for name, array in known.tensors.items()})
    averaged = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    saved = caches[0] / "fit.pt"
    options = [str(go_on), str(steps), *map(str, caches)]
    first = _restore(saved, options, network, averaged, optimiser, random) if saved.exists() else 0
    for step in range(first, steps):
        rate = RATE * min(1, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * step / steps)) + LAST_RATE
        for group in optimiser.param_groups:
            group["lr"] = rate / 2 if go_on else rate
        picked = [learned[int(random.integers(len(learned)))] for _ in range(BATCH)]
        windows = [
            draw(scene, talk, int(random.integers(1, len(talk.steps))), random) for scene, talk in picked
        ]
        logits, plain = answer(network, windows)
        optimiser.zero_grad()
        loss = loss_of(logits, windows)
        loss.backward()
        pairs = zip(windows[: BATCH // 2], plain, strict=False)
        more = [after for window, row in pairs if (after := window.again(row)) is not None]
        if more:
            (loss_of(answer(network, more)[0], more) / 2).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        kept = min(0.998, (step + 1) / (step + 20))
        with torch.no_grad():
            for mean, new in zip(averaged.parameters(), network.parameters(), strict=True):
                mean.lerp_(new, 1 - kept)
        if step % 50 == 49:
            print(f"step {step + 1}: loss {float(loss.detach()):.3f}", flush=True)
        if step % 250 == 249 or step == steps - 1:
            print(_fares(averaged, held), flush=True)
            _save(saved, options, step + 1, network, averaged, optimiser, random)
    write(averaged, output)
    saved.unlink(missing_ok=True)


def _save(
    path: Path,
    options: list[str],
    step: int,
    network: Retouch,
    averaged: Retouch,
    optimiser: torch.optim.Optimizer,
    random: np.random.Generator,
) -> None:
    parts = [part.state_dict() for part in (network, averaged, optimiser)]
    new = path.with_suffix(".new")
    content = {"options": options, "step": step, "parts": parts, "random": random.bit_generator.state}
    torch.save(content, new)
    os.replace(new, path)


def _restore(
    path: Path,
    options: list[str],
    network: Retouch,
    averaged: Retouch,
    optimiser: torch.optim.Optimizer,
    random: np.random.Generator,
) -> int:
    stored = torch.load(path, weights_only=True)
    if stored["options"] != options:
        raise SystemExit(
            f"{path} is of a run with other options: {stored['options']}, not {options}. Remove it."
        )
    for part, state in zip((network, averaged, optimiser), stored["parts"], strict=True):
        part.load_state_dict(state)
    random.bit_generator.state = stored["random"]
    print(f"goes on after step {stored['step']}", flush=True)
    return stored["step"]


@torch.no_grad()
def _fares(network: Retouch, held: Sequence[tuple[Scene, Talk]], most: int = 160) -> str:
    random = np.random.default_rng(1)
    chosen = [held[int(i)] for i in random.permutation(len(held))[:most]]
    rows: list[list[float]] = []
    for scene, talk in chosen:
        window = draw(scene, talk, int(random.integers(1, len(talk.steps))), None)
        truth, known = window.part(window.talk.truth) > 0.5, window.part(window.talk.counted) > 0
        drawn = answer(network, [window])[1][0]
        after = window.again(drawn)
        later = drawn if after is None else answer(network, [after])[1][0]
        masks = [window.part(window.before > 0), window.part(window.logits > 0), drawn, later]
        rows.append([iou(mask > 0, truth, ~known) for mask in masks])
    before, given, drawn, later = np.mean(rows, 0)
    return (
        f"IoU before {before:.4f}, SAM's {given:.4f}, retouched {drawn:.4f}, after one click more {later:.4f}"
    )


def write(network: Retouch, output: Path) -> None:
    """Writes the weights: kernels in int8 with a scale for each output channel, biases in float32."""
    tensors: dict[str, npt.NDArray[np.generic]] = {}
    for name, tensor in network.state_dict().items():
        array = tensor.contiguous().numpy()
        if array.ndim > 1:
            tensors[name], tensors[name + SCALE] = in_int8(array, np.float32)
        else:
            tensors[name] = array
    write_safetensors(output, tensors, {"model": DEFAULT_MODEL, "trained": "tools/train_retouch.py"})
    print(f"{output.name}: {output.stat().st_size / 1e3:.0f} kB", flush=True)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["talk", "fit"])
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--cache", type=Path, action="append", required=True)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--go-on", action="store_true", help="begin with the weights in the package")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--output", type=Path, default=TARGET, help="by default the package's own file")
    given = parser.parse_args()
    if given.what == "fit":
        fit(given.cache, go_on=given.go_on, steps=given.steps, output=given.output)
    elif given.data is None or len(given.cache) != 1:
        parser.error("talk needs DATA and one --cache")
    else:
        talk(given.data, given.cache[0], plain=given.plain)


if __name__ == "__main__":
    main()
