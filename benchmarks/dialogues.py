"""Dialogues that begin with every kind of prompt, beside SAM's official recipe; and prompts of two kinds together.

    python benchmarks/dialogues.py DATA --only davis2016 coco voc ccp --limit 12       # dialogues
    python benchmarks/dialogues.py DATA --only coco --limit 30 --pairs                 # two kinds at once

A dialogue begins with a click, a box, a polygon, a scribble, a rough mask, a phrase or a reference, drawn by a hasty
simulated hand, and goes on with five clicks where the mask is wrong (the deepest error). Ours is a session of the
default model. The official recipe is `mobile-sam`'s own decoder, told the same: all places and clicks so far, the
previous logits, the single-mask output; after a phrase or a reference it goes on from the mask that ours found. Both
answer on one embedding, in the same run. A phrase means everything of its class in the picture.

With `--pairs`: the IoU that two prompts of different kinds reach together, and each of them alone.
"""

import argparse
import itertools
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from promptseg import Box, Mask, Point, Polygon, Reference, Scribble, Segmenter, Text
from promptseg.datasets.open import open_dataset
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.errors import PromptError
from promptseg.hands.clicks import next_click
from promptseg.hands.prompts import inner_point, noisy_box, rough_polygon, scribble
from promptseg.masks.overlap import union
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.encode import encode_object
from promptseg.prompts.types import Prompt
from promptseg.segment.places.predictor import decode

CLICKS = 5
LEAST = 800
"""Smaller objects do not take part."""
DAVIS = {
    "blackswan": "swan", "bmx-trees": "person", "breakdance": "person", "camel": "camel", "car-roundabout": "car",
    "car-shadow": "car", "cows": "cow", "dance-twirl": "person", "dog": "dog", "drift-chicane": "car",
    "drift-straight": "car", "goat": "goat", "horsejump-high": "horse", "kite-surf": "person", "libby": "dog",
    "motocross-jump": "motorcycle", "paragliding-launch": "person", "parkour": "person", "scooter-black": "scooter",
    "soapbox": "cart",
}  # fmt: skip
"""What the object of a sequence of DAVIS 2016 is called."""


@dataclass(frozen=True)
class Case:
    """One object of one picture, and what shows its like elsewhere."""

    sample: Sample
    target: Target
    label: str | None
    like: tuple[Sample, Target] | None

    @property
    def name(self) -> str:
        return f"{self.sample.name} {self.target.name}"

    def truth(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns the true mask and the pixels that do not count; words mean all of a class."""
        mask = self.target.mask()
        ignored = self.target.ignored()
        ignored = np.zeros_like(mask) if ignored is None else ignored
        if kind in ("phrase", "reference"):
            for other in self.sample.targets:
                if self.label is not None and other.label == self.target.label:
                    mask = mask | other.mask()
        return mask, ignored & ~mask

    def random(self, kind: str) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(f"{self.name} {kind}".encode()))


def cases(dataset: Dataset, limit: int) -> list[Case]:
    """Returns objects at equal distances, no two of one picture."""
    labels = [_label(dataset, sample, target) for sample in dataset.samples for target in sample.targets]
    every = [(sample, target) for sample in dataset.samples for target in sample.targets]
    fitting = [number for number, (_, target) in enumerate(every) if target.area >= LEAST]
    seen: set[str] = set()
    found: list[Case] = []
    for number in fitting[:: max(1, len(fitting) // (3 * limit))]:
        sample, target = every[number]
        if sample.name in seen or len(found) == limit:
            continue
        seen.add(sample.name)
        alike = (
            other
            for other in (*fitting[number + 1 :], *fitting[:number])
            if labels[other] == labels[number] and every[other][0].name != sample.name
        )
        like = next(alike, None) if labels[number] else None
        found.append(Case(sample, target, labels[number], None if like is None else every[like]))
    return found


def _label(dataset: Dataset, sample: Sample, target: Target) -> str | None:
    return DAVIS.get(sample.name.rsplit("_", 1)[0]) if dataset.name == "davis2016" else target.label


def _box(case: Case, truth: np.ndarray) -> Prompt:
    return Box(*noisy_box(truth, case.random("box")))


def _polygon(case: Case, truth: np.ndarray) -> Prompt:
    return Polygon(tuple(map(tuple, rough_polygon(truth, case.random("polygon")).tolist())))


def _scribble(case: Case, truth: np.ndarray) -> Prompt:
    return Scribble(tuple(map(tuple, scribble(truth, case.random("scribble")).tolist())))


def _mask(case: Case, truth: np.ndarray) -> Prompt:
    """Draws the mask as on 16 x 16 cells of its box, with noise."""
    ys, xs = np.nonzero(truth)
    y0, y1, x0, x1 = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
    part = Pillow.fromarray(np.float32(truth[y0:y1, x0:x1]))
    coarse = np.asarray(part.resize((16, 16), Pillow.Resampling.BOX))
    coarse = coarse + 0.25 * case.random("mask").normal(size=coarse.shape).astype(np.float32)
    shown = Pillow.fromarray(np.float32(coarse)).resize((int(x1 - x0), int(y1 - y0)), Pillow.Resampling.BILINEAR)
    rough = np.zeros_like(truth)
    rough[y0:y1, x0:x1] = np.asarray(shown) > 0.5
    return Mask(rough if rough.any() else truth)


def _click(case: Case, truth: np.ndarray) -> Prompt:
    return Point(*inner_point(truth, case.random("click")))


def _phrase(case: Case, truth: np.ndarray) -> Prompt | None:
    return None if case.label is None else Text(case.label)


def _reference(case: Case, truth: np.ndarray) -> Prompt | None:
    return None if case.like is None else Reference(str(case.like[0].picture), Mask(case.like[1].mask()))


KINDS: dict[str, Callable[[Case, np.ndarray], Prompt | None]] = {
    "click": _click, "box": _box, "polygon": _polygon, "scribble": _scribble, "mask": _mask, "phrase": _phrase,
    "reference": _reference,
}  # fmt: skip


def overlap(found: np.ndarray, truth: np.ndarray, ignored: np.ndarray) -> float:
    """Returns the IoU over the pixels that count."""
    return float((found & truth & ~ignored).sum() / max(1, ((found | truth) & ~ignored).sum()))


class Ours:
    """A session of the default model."""

    def __init__(self, segmenter: Segmenter, embedded: object) -> None:
        self._session = segmenter.session(embedded)

    def add(self, prompt: Prompt) -> np.ndarray:
        return self._session.add(prompt).dense()[0]


class Official:
    """The official recipe, with the checkpoint's own decoder on the same embedding.

    It says nothing of words: the mask that ours found is given to it.
    """

    def __init__(self, segmenter: Segmenter, embedded: object) -> None:
        self._segmenter, self._embedded = segmenter, embedded
        self._places: tuple[Prompt, ...] = ()
        self._memory: np.ndarray | None = None

    def add(self, prompt: Prompt) -> np.ndarray:
        if isinstance(prompt, Text | Reference):
            found = self._segmenter.session(self._embedded).add(prompt)
            self._memory = found.low_res_logits[0]
            return found.dense()[0]
        self._places = (*self._places, prompt)
        frame, runtime = self._embedded.frame, self._segmenter.runtime
        item = encode_object(self._places, frame, memory=self._memory)
        if self._memory is not None:
            item = replace(item, mask_logits=self._memory)
        (answer,) = decode(runtime, self._embedded, [item], official=True)
        if item.again:
            again = replace(item, mask_logits=answer.logits[0])
            (answer,) = decode(runtime, self._embedded, [again], official=True)
        self._memory = answer.logits[answer.best_of_three() if item.ambiguous else 0]
        return upsample_to_rle(self._memory, frame).dense()


def hold(side: Ours | Official, prompt: Prompt, truth: np.ndarray, ignored: np.ndarray) -> list[float] | None:
    """Returns the IoU after the prompt and after each click; None when the prompt finds nothing."""
    try:
        shown = side.add(prompt)
    except PromptError:
        return None
    ious, clicked = [overlap(shown, truth, ignored)], []
    while len(ious) <= CLICKS:
        click = next_click(shown, truth, ignored, clicked)
        if click is None:
            break
        clicked.append((click.x, click.y))
        shown = side.add(Point(click.x, click.y, click.positive))
        ious.append(overlap(shown, truth, ignored))
    return ious + [ious[-1]] * (CLICKS + 1 - len(ious))


def dialogues(segmenter: Segmenter, case: Case, kinds: list[str]) -> Iterator[dict]:
    """Holds the dialogues about one object."""
    embedded = segmenter.embed(case.sample.picture)
    for kind in kinds:
        truth, ignored = case.truth(kind)
        prompt = KINDS[kind](case, truth)
        if prompt is None:
            continue
        row = {"case": case.name, "kind": kind, "ours": hold(Ours(segmenter, embedded), prompt, truth, ignored)}
        if row["ours"] is not None:
            yield row | {"official": hold(Official(segmenter, embedded), prompt, truth, ignored)}


def pairs(segmenter: Segmenter, case: Case, kinds: list[str]) -> Iterator[dict]:
    """Asks by two prompts of different kinds at once, and by each alone."""
    embedded = segmenter.embed(case.sample.picture)
    truth, ignored = case.truth("box")
    prompts = {kind: KINDS[kind](case, truth) for kind in kinds}

    def ask(*given: Prompt) -> float:
        found = segmenter.segment(embedded, [given])
        return overlap(union(found.masks, found.size).dense() if len(found) else np.zeros_like(truth), truth, ignored)

    alone = {kind: ask(prompt) for kind, prompt in prompts.items() if prompt is not None}
    for first, second in itertools.combinations(alone, 2):
        together = ask(prompts[first], prompts[second])
        row = {"case": case.name, "kind": f"{first} + {second}", "together": together}
        yield row | {"first": alone[first], "second": alone[second]}


def drop(ious: list[float]) -> float:
    """Returns how far a dialogue falls at most below its best so far."""
    return float((np.maximum.accumulate(ious) - ious).max())


def dialogue_table(name: str, rows: list[dict]) -> Iterator[str]:
    """Writes one line per kind."""
    for kind in KINDS:
        own = [row for row in rows if row["kind"] == kind]
        if own:
            ours, official = (np.array([row[side] for row in own]) for side in ("ours", "official"))
            worst = [[drop(row[side]) for row in own] for side in ("official", "ours")]
            cells = [f"{official[:, k].mean():.3f} → {ours[:, k].mean():.3f}" for k in range(CLICKS + 1)]
            falls = [f"{np.mean(worst[0]):.3f} → {np.mean(worst[1]):.3f}", f"{max(worst[0]):.2f} → {max(worst[1]):.2f}"]
            yield f"| {name}, {kind}, {len(own)} | {' | '.join([*cells, *falls])} |"


def pair_table(name: str, rows: list[dict]) -> Iterator[str]:
    """Writes one line per pair of kinds."""
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        first, second, both = (np.array([row[key] for row in own]) for key in ("first", "second", "together"))
        best = max(first.mean(), second.mean())
        worse = int((both < np.maximum(first, second) - 0.05).sum())
        yield (
            f"| {name}, {kind}, {len(own)} | {first.mean():.3f} | {second.mean():.3f} | {both.mean():.3f} "
            f"({both.mean() - best:+.3f}) | {np.maximum(first, second).mean():.3f} | {worse} |"
        )


def main() -> None:
    """Runs what the command line asks for, and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", default=["davis2016", "coco", "voc", "ccp"])
    parser.add_argument("--limit", type=int, default=12, help="objects per set")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS))
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--cache", type=Path, help="folder of embeddings, for many runs")
    parser.add_argument("-o", "--output", type=Path, help="a JSON file for single objects")
    given = parser.parse_args()
    kinds = given.kinds or list(KINDS)
    segmenter = Segmenter(threads=given.threads, cache=given.cache)
    rounds = " | ".join(f"after {k} clicks" for k in range(CLICKS + 1))
    head = (
        "| set, kinds, objects | first | second | together | better of the two, object by object | worse by .05 |"
        if given.pairs
        else f"| set, kind, objects | {rounds} | worst drop, mean | largest |"
    )
    print(head, "|" + "---|" * (head.count("|") - 1), sep="\n", flush=True)
    every: dict[str, list[dict]] = {}
    for name in given.only:
        rows = every[name] = []
        for case in cases(open_dataset(given.data / name), given.limit):
            rows.extend((pairs if given.pairs else dialogues)(segmenter, case, kinds))
            if given.output:
                given.output.write_text(json.dumps(every))
        table = pair_table if given.pairs else dialogue_table
        print(*table(name, rows), sep="\n", flush=True)


if __name__ == "__main__":
    main()
