"""Runs edge detectors over the boundary benchmark. A run that was stopped goes on where it was."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptseg.errors import FormatError, InputError
from promptseg.evaluate.edges.detectors import EdgeDetector
from promptseg.evaluate.edges.scores import TOLERANCE, Float64, Tally, tally, thresholds
from promptseg.evaluate.edges.truth import EdgeSample
from promptseg.files import write_bytes
from promptseg.images import Image

FORMAT = 1
"""Version of the stored counts; it rises when what is counted changes."""

Progress = Callable[[int, int], None]
"""Called with the edge maps done and the edge maps in all."""


@dataclass(frozen=True, slots=True, eq=False)
class EdgeTrace:
    """What one detector did.

    Attributes:
        name: the detector's name.
        settings: what else decides about its results.
        tallies: one per picture.
        seconds: mean time per picture, from pixels to edge map.
    """

    name: str
    settings: str
    tallies: tuple[Tally, ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class EdgeReport:
    """The outcome of `run_edges`.

    Attributes:
        dataset: the dataset's name.
        pictures: names of the pictures.
        levels: (K,) thresholds.
        traces: one per detector, in the order given.
    """

    dataset: str
    pictures: tuple[str, ...]
    levels: Float64
    traces: tuple[EdgeTrace, ...]


def run_edges(
    samples: Sequence[EdgeSample],
    detectors: Sequence[EdgeDetector],
    *,
    dataset: str = "",
    count: int = 33,
    store: Path | None = None,
    progress: Progress | None = None,
) -> EdgeReport:
    """Lets every detector find the edges of every picture, and counts what matches the truth.

    Args:
        samples: the pictures with their outlines.
        detectors: who is compared.
        dataset: the dataset's name.
        count: how many thresholds.
        store: a folder that keeps the counts of each picture; those that are there already, of the same detector with
            the same settings, are not made again.
        progress: called after each edge map.

    Raises:
        InputError: no picture, no detector, two of one name, or no threshold.
        FormatError: an outline and its picture differ in size.
        OutputError: the store cannot be written.
        UnavailableError: SciPy is not installed.
    """
    names = [detector.name for detector in detectors]
    if not names or len(set(names)) < len(names) or not samples:
        raise InputError(
            f"Give at least one picture, and detectors with names of their own; got {len(samples)} and {names}."
        )
    levels = thresholds(count)
    found: list[list[tuple[Tally, float]]] = [[] for _ in detectors]
    done = 0
    for sample in samples:
        for detector, results in zip(detectors, found, strict=True):
            results.append(_one(sample, detector, levels, store))
            done += 1
            if progress is not None:
                progress(done, len(samples) * len(detectors))
    return EdgeReport(
        dataset,
        tuple(sample.name for sample in samples),
        levels,
        tuple(
            EdgeTrace(
                detector.name,
                detector.settings,
                tuple(item for item, _ in results),
                float(np.mean([seconds for _, seconds in results])),
            )
            for detector, results in zip(detectors, found, strict=True)
        ),
    )


def _one(
    sample: EdgeSample, detector: EdgeDetector, levels: Float64, store: Path | None
) -> tuple[Tally, float]:
    file = None if store is None else store / _file_name(detector.name) / f"{_file_name(sample.name)}.json"
    facts = {
        "format": FORMAT,
        "settings": detector.settings,
        "thresholds": len(levels),
        "tolerance": TOLERANCE,
    }
    if file is not None and (known := _load(file, facts, len(levels))):
        return known
    image = Image.open(sample.picture)
    truths = sample.read()
    for truth in truths:
        if truth.shape != tuple(image.size):
            height, width = image.size
            raise FormatError(
                f"{sample.picture} is {width} x {height} pixels, but its outlines are "
                f"{truth.shape[1]} x {truth.shape[0]}."
            )
    began = time.perf_counter()
    strength = detector(image)
    seconds = time.perf_counter() - began
    counts = tally(strength, truths, levels)
    if file is not None:
        content = {
            **facts,
            "seconds": round(seconds, 4),
            "wanted": int(counts.wanted[0]),
            "recalled": counts.recalled.tolist(),
            "correct": counts.correct.tolist(),
            "predicted": counts.predicted.tolist(),
        }
        write_bytes(file, (json.dumps(content) + "\n").encode())
    return counts, seconds


def _load(file: Path, facts: dict[str, Any], count: int) -> tuple[Tally, float] | None:
    """Returns stored counts, or None when there are none, they are damaged, or they were counted otherwise."""
    try:
        content = json.loads(file.read_bytes())
        if any(content[name] != value for name, value in facts.items()):
            return None
        recalled, correct, predicted = (
            np.array(content[name], np.int64) for name in ("recalled", "correct", "predicted")
        )
        wanted = np.full(count, content["wanted"], np.int64)
        if not recalled.shape == correct.shape == predicted.shape == (count,):
            return None
        return Tally(recalled, wanted, correct, predicted), float(content["seconds"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
