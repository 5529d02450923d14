"""Measures how best to feed polygons, rough masks and scribbles to SAM, on labelled pictures.

    python benchmarks/prompt_feeds.py --data DEV_FOLDER --cache CACHE_FOLDER

Hands are simulated, with the random numbers of each target fixed by its name:

- polygon: the outline of the target's largest region, simplified by Douglas-Peucker to 8-16 corners, each corner
  moved by gaussian noise of 2 % of the diagonal of its box. The truth is that region.
- mask: the target dilated or eroded by 5 % of its size, with blobs added and removed along its rim until the IoU
  with the truth falls to a number drawn from 0.75 to 0.85.
- scribble: a stroke along the target's longest inner path, through a random place on the way, that stays inside; its
  width is 3 % of the box. "Short" is a third of that stroke. The truth is the whole target.

Every feed is decoded once and all four masks of the answer are measured, so that the choice among them is made
afterwards, on the same numbers. Raw numbers are kept in the cache folder; `--only-tables` prints from them.
"""

import argparse
import json
import shlex
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from simulated_hands import along, box_of, hand_polygon, hand_scribble, rough_mask

from promptseg import Segmenter
from promptseg.datasets.open import open_dataset
from promptseg.datasets.samples import Dataset, Sample, Target
from promptseg.evaluate.metrics import bootstrap, boundary_iou, iou
from promptseg.evaluate.origin import provenance
from promptseg.geometry import ResizeFrame
from promptseg.images import Image
from promptseg.masks.distance import distance_transform, interior_points
from promptseg.masks.polygons import polygon_to_mask, stroke_to_mask
from promptseg.masks.regions import largest_component
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.encode import EncodedObject, encode_object
from promptseg.prompts.prompt import Feed
from promptseg.prompts.types import Mask, PlacePrompt, Polygon, Scribble
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.places.predictor import Candidates, decode

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Random = np.random.Generator
Record = dict[str, Any]

GRID_CELL = 4
"""Pixels of the model frame per cell of the prompt grid."""
UNIT = 10.0
"""The magnitude of mask logits that feeds have unless they say otherwise."""
BANDS = (0.04, 0.08)
"""How far from a drawn outline an answer may lie when it is bound to it, in diagonals of the drawing's box."""


# --- feeds -----------------------------------------------------------------------------------------------------


def tokens(
    frame: ResizeFrame,
    points: npt.ArrayLike = (),
    box: npt.ArrayLike | None = None,
    mask: Float32 | None = None,
) -> EncodedObject:
    """Encodes positive points and a box, both in the picture's pixels, and logits."""
    places = frame.to_model(np.asarray(points, np.float64).reshape(-1, 2))
    labels = [1] * len(places)
    tail, kinds = (
        (np.zeros((1, 2)), [-1]) if box is None else (frame.to_model(np.reshape(box, (2, 2))), [2, 3])
    )
    return EncodedObject(
        np.vstack([places, tail]).astype(np.float32), np.array(labels + kinds), mask, ambiguous=False
    )


def outside_points(item: EncodedObject, grid: Bools, count: int) -> EncodedObject:
    """Adds negative points inside the shape's box, away from the shape."""
    x0, y0, x1, y1 = box_of(grid)
    away = ndimage.distance_transform_edt(~grid) > 0.06 * np.hypot(x1 - x0, y1 - y0)
    free = np.zeros_like(grid)
    free[y0:y1, x0:x1] = away[y0:y1, x0:x1]
    if not free.any():
        return item
    places = np.array(interior_points(free, count)) * GRID_CELL - 0.5
    return replace(
        item,
        points=np.vstack([places, item.points]).astype(np.float32),
        labels=np.concatenate([np.zeros(len(places), np.int64), item.labels]),
    )


@dataclass(frozen=True, slots=True)
class Second:
    """A second pass: the first answer's logits (of token 0, or the one nearest the drawing) go back in."""

    of: str
    nearest: bool = False
    blend: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is decoded for one drawing, in order."""

    first: dict[str, EncodedObject]
    second: dict[str, Second] = field(default_factory=dict)
    drawn: Float32 | None = None


def shape_plan(prompt: PlacePrompt, frame: ResizeFrame) -> Plan:
    """Feeds of a polygon or a mask."""

    def fed(feed: Feed) -> EncodedObject:
        return encode_object((prompt,), frame, feeds={prompt.kind: feed})

    grid = prompt.on_grid(frame)
    unit = 2 * grid - 1
    inside = grid > 0.5
    height, width = (-(-side // GRID_CELL) for side in frame.resized)
    first = {
        "box": fed(Feed(box=True)),
        "1 point": fed(Feed(points=1)),
        "3 points": fed(Feed(points=3)),
        "box + 1 point": fed(Feed(box=True, points=1)),
        "box + 3 points": fed(Feed(box=True, points=3)),
        "box + 3 points + 2 outside": outside_points(
            fed(Feed(box=True, points=3)), inside[:height, :width], 2
        ),
    }
    masked = {
        "mask": Feed(mask=True),
        "3 points + mask": Feed(points=3, mask=True),
        "box + mask": Feed(box=True, mask=True),
        "box + 1 point + mask": Feed(box=True, points=1, mask=True),
        "box + 3 points + mask": Feed(box=True, points=3, mask=True),
    }
    for name, feed in masked.items():
        item = fed(feed)
        for magnitude in (5, 10, 20):
            first[f"{name}, ±{magnitude}"] = replace(item, mask_logits=(unit * magnitude).astype(np.float32))
    # Logits that rise gradually over the rim, as SAM's own do: certain at 10 % of the size from the outline.
    signed = np.where(inside, distance_transform(inside), -ndimage.distance_transform_edt(~inside))
    ramp = np.clip((signed - 0.5 * np.sign(signed)) / (0.1 * np.sqrt(inside.sum())), -1, 1) * UNIT
    ramp[height:], ramp[:, width:] = -UNIT, -UNIT
    best = "box + 1 point + mask"
    first[f"{best}, ramp"] = replace(fed(masked[best]), mask_logits=ramp.astype(np.float32))
    again = ("box", "box + 1 point", "3 points + mask, ±10", "box + mask, ±10", f"{best}, ±10")
    second = {f"{name} → again": Second(name) for name in again}
    second[f"{best}, ±10 → again, from nearest"] = Second(f"{best}, ±10", nearest=True)
    for name in ("box + 1 point", f"{best}, ±10"):
        second[f"{name} → again, drawing blended in"] = Second(name, blend=True)
    return Plan(first, second, (unit * UNIT).astype(np.float32))


def scribble_plan(prompt: Scribble, frame: ResizeFrame) -> Plan:
    """Feeds of a scribble."""
    grid = prompt.on_grid(frame)
    line = np.asarray(prompt.points)
    first: dict[str, EncodedObject] = {}
    for count in (1, 2, 3, 5, 8):
        first[f"{count} interior"] = encode_object((prompt,), frame, feeds={"scribble": Feed(points=count)})
        first[f"{count} along"] = tokens(frame, along(line, (np.arange(count) + 0.5) / count))
        if count in (3, 5):
            first[f"{count} end to end"] = tokens(frame, along(line, np.linspace(0, 1, count)))
    x0, y0 = line.min(0) - prompt.width / 2
    x1, y1 = line.max(0) + prompt.width / 2
    three = along(line, np.linspace(0, 1, 3))
    first["stroke's box"] = tokens(frame, (), (x0, y0, x1, y1))
    first["3 end to end + stroke's box"] = tokens(frame, three, (x0, y0, x1, y1))
    binary = ((2 * grid - 1) * UNIT).astype(np.float32)
    first["stroke as mask, ±10"] = tokens(frame, (), None, binary)
    for magnitude in (5, 10, 20):
        first[f"3 end to end + stroke as mask, ±{magnitude}"] = tokens(
            frame, three, None, binary * np.float32(magnitude / UNIT)
        )
    soft = (grid * (UNIT + 1) - 1).astype(np.float32)
    first["3 end to end + stroke +10, rest -1"] = tokens(frame, three, None, soft)
    names = ("1 interior", "2 interior", "3 interior", "5 interior", "3 end to end", "5 end to end")
    second = {f"{name} → again": Second(name) for name in names}
    second |= {f"{name} → again, from nearest": Second(name, nearest=True) for name in names}
    return Plan(first, second)


# --- measuring -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """One simulated drawing: the prompt, its pixels, and what it should bring."""

    prompt: PlacePrompt
    pixels: Bools
    truth: Bools
    ignore: Bools | None
    stroke: bool
    bands: dict[float, tuple[Bools, Bools]] = field(default_factory=dict)


def nearest(drawing: Drawing, masks: list[Bools], scores: Float32) -> int:
    """The answer that agrees best with the drawing.

    For a shape: the highest IoU with it. For a stroke: of the three masks 1 to 3, the highest score among those
    that cover the stroke about as well as the best one does.
    """
    if not drawing.stroke:
        return int(np.argmax([iou(mask, drawing.pixels) for mask in masks]))
    return covering(
        np.array([(mask & drawing.pixels).sum() / drawing.pixels.sum() for mask in masks]), scores
    )


def covering(cover: npt.NDArray[np.floating], scores: npt.NDArray[np.floating], least: int = 1) -> int:
    """Index of the highest score from `least` on, among the masks that cover at least 0.95 of the best cover."""
    good = cover[least:] >= 0.95 * cover[least:].max()
    return least + int(np.argmax(np.where(good, scores[least:], -np.inf)))


def measure(drawing: Drawing, candidates: Candidates, frame: ResizeFrame) -> tuple[dict[str, Any], int]:
    """Returns the numbers of all four masks, and which is nearest the drawing."""
    masks = [upsample_to_rle(logits, frame).dense() for logits in candidates.logits]
    best = nearest(drawing, masks, candidates.scores)
    wanted = {0, best, candidates.best_of_three()}
    row: dict[str, Any] = {
        "iou": [iou(mask, drawing.truth, drawing.ignore) for mask in masks],
        "score": [float(score) for score in candidates.scores],
        "edge": [
            boundary_iou(mask, drawing.truth, drawing.ignore) if index in wanted else None
            for index, mask in enumerate(masks)
        ],
    }
    if drawing.stroke:
        total = drawing.pixels.sum()
        row["fit"] = [float((mask & drawing.pixels).sum() / total) for mask in masks]
    else:
        row["fit"] = [iou(mask, drawing.pixels) for mask in masks]
        row["band"] = {
            str(share): [
                iou((masks[index] & outer) | inner, drawing.truth, drawing.ignore) for index in (0, best)
            ]
            for share, (inner, outer) in drawing.bands.items()
        }
    return row, best


def bands_around(pixels: Bools) -> dict[float, tuple[Bools, Bools]]:
    """Returns the shape shrunk and the shape swollen, by shares of its box's diagonal."""
    x0, y0, x1, y1 = box_of(pixels)
    diagonal = np.hypot(x1 - x0, y1 - y0)
    inner, outer = ndimage.distance_transform_edt(pixels), ndimage.distance_transform_edt(~pixels)
    return {share: (inner > share * diagonal, outer <= share * diagonal) for share in BANDS}


def run(segmenter: Segmenter, embedded: EmbeddedImage, drawing: Drawing, plan: Plan) -> dict[str, Any]:
    """Decodes and measures a whole plan."""
    rows: dict[str, Any] = {}
    answers: dict[str, tuple[Candidates, int]] = {}

    def ask(name: str, item: EncodedObject) -> None:
        (candidates,) = decode(segmenter.runtime, embedded, [item])
        rows[name], best = measure(drawing, candidates, embedded.frame)
        answers[name] = candidates, best

    for name, item in plan.first.items():
        ask(name, item)
    for name, again in plan.second.items():
        candidates, best = answers[again.of]
        logits = candidates.logits[best if again.nearest else 0]
        if again.blend and plan.drawn is not None:
            logits = (np.clip(logits, -UNIT, UNIT) + plan.drawn) / 2
        ask(name, replace(plan.first[again.of], mask_logits=logits))
    return rows


def drawings(truth: Bools, ignore: Bools | None, seed: int) -> Iterator[tuple[str, Drawing]]:
    """Yields one drawing of each kind."""
    part = largest_component(truth)
    corners = hand_polygon(part, np.random.default_rng([seed, 0]))
    pixels = polygon_to_mask(corners, truth.shape)
    if pixels.any():
        yield (
            "polygon",
            Drawing(Polygon(tuple(map(tuple, corners))), pixels, part, ignore, False, bands_around(pixels)),
        )
    rough = rough_mask(truth, np.random.default_rng([seed, 1]))
    yield "mask", Drawing(Mask(rough), rough, truth, ignore, False, bands_around(rough))
    random = np.random.default_rng([seed, 2])
    line, width = hand_scribble(truth, random)
    begin = random.uniform(0, 2 / 3)
    for name, part_of_it in (
        ("scribble", line),
        ("short scribble", along(line, np.linspace(begin, begin + 1 / 3, 8))),
    ):
        stroke = stroke_to_mask(part_of_it, width, truth.shape)
        prompt = Scribble(tuple(map(tuple, part_of_it)), width)
        yield name, Drawing(prompt, stroke, truth, ignore, True)


def embedding(segmenter: Segmenter, sample: Sample, cache: Path, dataset: str) -> EmbeddedImage:
    """Embeds a picture, or takes its embedding from the cache."""
    image = Image.open(sample.picture)
    file = cache / f"{dataset}-{zlib.crc32(sample.name.encode()):08x}-{image.digest[:12]}.npy"
    if not file.exists():
        np.save(file, segmenter.embed(image).features.astype(np.float16))
    features = np.load(file).astype(np.float32)
    return EmbeddedImage(features, ResizeFrame.fit(image.size), image, segmenter.model)


def measure_set(segmenter: Segmenter, dataset: Dataset, cache: Path) -> list[Record]:
    """Measures every target of a dataset, one line of the raw file each; what is there already is kept."""
    file = cache / f"raw-{dataset.name}.jsonl"
    done = {record["name"]: record for record in map(json.loads, file.open())} if file.exists() else {}
    out: list[Record] = []
    began = time.perf_counter()
    # In an order of its own, so that a run that was stopped is a fair sample.
    for sample in sorted(dataset.samples, key=lambda sample: zlib.crc32(sample.name.encode())):
        names = [
            f"{dataset.name}/{sample.name}/{target.name}/{target.area}/{place}"
            for place, target in enumerate(sample.targets)
        ]
        if missing := [name for name in names if name not in done]:
            embedded = embedding(segmenter, sample, cache, dataset.name)
            for name in missing:
                target = sample.targets[names.index(name)]
                done[name] = measure_target(segmenter, embedded, sample, target, name)
                with file.open("a") as lines:
                    lines.write(json.dumps(done[name]) + "\n")
        out += [done[name] for name in names]
        print(
            f"{dataset.name} {len(out)}/{dataset.targets}, {time.perf_counter() - began:.0f} s",
            file=sys.stderr,
        )
    return out


def measure_target(
    segmenter: Segmenter, embedded: EmbeddedImage, sample: Sample, target: Target, name: str
) -> Record:
    """Measures one target."""
    kinds: Record = {}
    for kind, drawing in drawings(target.mask(), target.ignored(), zlib.crc32(name.encode())):
        make: Callable[[Any, ResizeFrame], Plan] = scribble_plan if drawing.stroke else shape_plan
        kinds[kind] = {
            "drawn": {
                "iou": iou(drawing.pixels, drawing.truth, drawing.ignore),
                "edge": boundary_iou(drawing.pixels, drawing.truth, drawing.ignore),
                "corners": len(drawing.prompt.points) if isinstance(drawing.prompt, Polygon) else 0,
            },
            "feeds": run(segmenter, embedded, drawing, make(drawing.prompt, embedded.frame)),
        }
    return {"name": name, "picture": sample.name, "kinds": kinds}


# --- tables ----------------------------------------------------------------------------------------------------

KINDS = ("polygon", "mask", "scribble", "short scribble")
REFERENCES = {
    "polygon": "box + 1 point + mask, ±10",
    "mask": "box + 1 point + mask, ±10",
    "scribble": "3 interior",
    "short scribble": "3 interior",
}
"""The feed that the others are compared with, as token 0: what `FEEDS` held when this was measured."""
COVERED = 0.9
"""A token 0 that covers less of the stroke gives way to the covering mask of the other three."""


def _token0(_: Record) -> int:
    return 0


def _best_score(row: Record) -> int:
    return 1 + int(np.argmax(row["score"][1:]))


def _nearest(row: Record) -> int:
    return int(np.argmax(row["fit"]))


def _covering(row: Record) -> int:
    return covering(np.array(row["fit"]), np.array(row["score"]))


def _token0_if_covering(row: Record) -> int:
    return 0 if row["fit"][0] >= COVERED else _covering(row)


def _oracle(row: Record) -> int:
    return int(np.argmax(row["iou"]))


Rule = Callable[[Record], int]
SHAPE_RULES: dict[str, Rule] = {
    "token 0": _token0,
    "best score of 1-3": _best_score,
    "nearest of all": _nearest,
    "(oracle)": _oracle,
}
STROKE_RULES: dict[str, Rule] = {
    "token 0": _token0,
    "best score of 1-3": _best_score,
    "covering of 1-3": _covering,
    "token 0 if covering": _token0_if_covering,
    "(oracle)": _oracle,
}

Sets = dict[str, list[Record]]


def values(records: list[Record], kind: str, feed: str, rule: Rule, what: str = "iou") -> Floats:
    """One number per target that has this drawing."""
    rows = [record["kinds"][kind]["feeds"][feed] for record in records if kind in record["kinds"]]
    return np.array([row[what][rule(row)] for row in rows], np.float64)


def table(sets: Sets, kind: str) -> str:
    """Every feed of a kind of drawing under every rule: mean IoU per set, and the difference to the reference."""
    rules = STROKE_RULES if "scribble" in kind else SHAPE_RULES
    pooled = [record for records in sets.values() for record in records if kind in record["kinds"]]
    pictures = [record["picture"] for record in pooled]
    reference = values(pooled, kind, REFERENCES[kind], _token0)
    head = ["feed", *rules, "boundary IoU", "token 0 less reference, 95 %", "below 0.5"]
    lines = [_line(head), _line(["---"] * len(head))]
    drawn = {
        what: _slashed(
            np.mean([r["kinds"][kind]["drawn"][what] for r in records if kind in r["kinds"]])
            for records in sets.values()
        )
        for what in ("iou", "edge")
    }
    lines.append(
        _line([f"(the {kind} itself)", drawn["iou"], *[""] * (len(rules) - 1), drawn["edge"], "", ""])
    )
    for feed in pooled[0]["kinds"][kind]["feeds"]:
        cells = [f"**{feed}**" if feed == REFERENCES[kind] else feed]
        columns = [*((rule, "iou") for rule in rules.values()), (_token0, "edge")]
        cells += [
            _slashed(values(records, kind, feed, rule, what).mean() for records in sets.values())
            for rule, what in columns
        ]
        mine = values(pooled, kind, feed, _token0)
        cells += [_difference(mine - reference, pictures), f"{(mine < 0.5).mean():.0%}"]
        lines.append(_line(cells))
    return "\n".join(lines)


def _slashed(numbers: Iterable[float]) -> str:
    return " / ".join(f"{number:.3f}" for number in numbers)


def rule_table(sets: Sets, kind: str) -> str:
    """Rules of output for the better feeds, paired with token 0 of the same feed over both sets."""
    pooled = [record for records in sets.values() for record in records if kind in record["kinds"]]
    pictures = [record["picture"] for record in pooled]
    feeds = SHAPE_RULE_FEEDS if kind in ("polygon", "mask") else STROKE_RULE_FEEDS
    rules = STROKE_RULES if "scribble" in kind else SHAPE_RULES
    head = ["feed", *(rule for rule in rules if rule not in ("token 0", "(oracle)"))]
    if "scribble" not in kind:
        head += [f"token 0 bound to {share:.0%} of the drawing" for share in BANDS]
    lines = [_line(head), _line(["---"] * len(head))]
    for feed in feeds:
        base = values(pooled, kind, feed, _token0)
        cells = [feed]
        for name, rule in rules.items():
            if name not in ("token 0", "(oracle)"):
                cells.append(_difference(values(pooled, kind, feed, rule) - base, pictures))
        if "scribble" not in kind:
            for share in BANDS:
                bound = [record["kinds"][kind]["feeds"][feed]["band"][str(share)][0] for record in pooled]
                cells.append(_difference(np.array(bound) - base, pictures))
        lines.append(_line(cells))
    return "\n".join(lines)


SHAPE_RULE_FEEDS = (
    "box",
    "3 points + mask, ±20",
    "box + mask, ±20",
    "box + 1 point + mask, ±10",
    "box + 1 point + mask, ±20",
    "box + 3 points + mask, ±20",
)
STROKE_RULE_FEEDS = (
    "1 interior",
    "2 interior",
    "3 interior",
    "5 interior",
    "5 end to end",
    "5 end to end → again",
)


def _difference(differences: Floats, pictures: list[str]) -> str:
    if not differences.any():
        return "0"
    found = bootstrap(differences, pictures)
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def report(sets: Sets, runtime: str) -> str:
    """All tables, with where they come from."""
    origin = provenance("mobile-sam", runtime)
    counts = ", ".join(f"{name} {len(records)} targets" for name, records in sets.items())
    corners = [
        record["kinds"]["polygon"]["drawn"]["corners"]
        for records in sets.values()
        for record in records
        if "polygon" in record["kinds"]
    ]
    parts = [
        "# How to feed polygons, masks and scribbles",
        f"{counts}; {origin.date}; model {origin.model}, {origin.runtime}; commit {origin.commit}; "
        f"{origin.processor}, one thread.",
        f"    {shlex.join(['python', *sys.argv])}",
        READING.strip(),
        "## How to read the tables",
        'Mean IoU with the truth per set. "Nearest" takes the one of all four masks with the highest IoU with the '
        'drawing; "covering" the highest score among those of masks 1 to 3 that cover the stroke within 5 % of the '
        f'best; "token 0 if covering" falls back on that when token 0 covers less than {COVERED:.0%}. The oracle '
        "knows the truth. Boundary IoU is token 0's. Differences are paired over all targets of both sets, with the "
        'bootstrap\'s 95 % interval over pictures; the reference is bold. "Below 0.5" is the share of targets where '
        f"token 0's IoU is. Polygons had {np.percentile(corners, 10):.0f} to {np.percentile(corners, 90):.0f} corners "
        f"(10th to 90th percentile), {np.median(corners):.0f} in the middle.",
    ]
    for kind in KINDS:
        parts += [
            f"## {kind.capitalize()}",
            table(sets, kind),
            "Rules, as difference to token 0 of the same feed:",
        ]
        parts.append(rule_table(sets, kind))
    return "\n\n".join(parts) + "\n"


READING = "\n" + (Path(__file__).parent / "prompt_feeds_reading.md").read_text()
"""What the tables say, in words; to be checked after every new measurement."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds davis2016 and coco")
    parser.add_argument("--cache", type=Path, required=True, help="where embeddings and raw numbers are kept")
    parser.add_argument("--limit", type=int, default=150, help="most targets of coco")
    parser.add_argument("--only-tables", action="store_true", help="measure nothing, use the raw numbers")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    sets: Sets = {}
    if given.only_tables:
        runtime = (given.cache / "runtime.txt").read_text().strip()
        for name in ("davis2016", "coco"):
            with (given.cache / f"raw-{name}.jsonl").open() as lines:
                sets[name] = [json.loads(line) for line in lines]
    else:
        segmenter = Segmenter(runtime="openvino", threads=1)
        runtime = f"{segmenter.runtime.name} {segmenter.runtime.precision}"
        (given.cache / "runtime.txt").write_text(runtime)
        for dataset in (
            open_dataset(given.data / "davis2016"),
            open_dataset(given.data / "coco", min_area=400, limit=given.limit),
        ):
            sets[dataset.name] = measure_set(segmenter, dataset, given.cache)
    text = report(sets, runtime)
    print(text)
    given.out.write_text(text)


if __name__ == "__main__":
    main()
