"""A mosaic of labelled pictures, searched in tiles, beside the same pictures one by one; and what memory it takes.

    python benchmarks/tiling.py --data DIR [--small | --megapixels 100] [--tile 1024] [--output benchmarks/tiling.md]
    python benchmarks/tiling.py --data DIR --megapixels 100 --memory [--points 4]

Pictures of 512 x 384 of a COCO-like folder are enlarged three times, so that the borders of tiles run through them, and
laid in a grid: 3 x 3 (16 megapixels) unless told otherwise, 2 x 2 with --small, or about as many --megapixels as asked
for. Enlarging adds no detail; what is tested is whether tiling loses objects. The mosaic is written as a JPEG and
searched by a process of its own, whose peak memory (decoding included) is reported, with that of a process that only
loads the model and embeds and searches one of the pictures.

The second form only searches the mosaic in tiles, for its peak memory; with few points per tile it takes minutes, not
an hour, and holds the same embeddings.

Average recall counts 100 (1000) masks per picture one by one, and as many times more in the mosaic as it has pictures.
Ranges of size go by the annotated areas on both sides.
"""

import argparse
import json
import math
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from promptseg import Image, Segmenter
from promptseg.datasets.open import open_dataset
from promptseg.datasets.samples import Sample
from promptseg.evaluate.recall import RecallCounts, count_recall
from promptseg.masks.rle import RLE
from promptseg.segment.everything.proposals import ranking

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT, SCALE = 512, 384, 3
LIMITS = (100, 1000)


def choose(data: Path, count: int) -> list[Sample]:
    """Returns pictures of one size, evenly strided over the set; the same ones again when there are too few."""
    fitting: list[Sample] = []
    for sample in open_dataset(data).samples:
        with Pillow.open(sample.picture) as picture:
            if picture.size == (WIDTH, HEIGHT):
                fitting.append(sample)
    return [fitting[position * max(1, len(fitting) // count) % len(fitting)] for position in range(count)]


def lay(samples: Sequence[Sample], columns: int, file: Path) -> tuple[list[RLE], list[float]]:
    """Writes the mosaic and returns its true masks and their annotated areas."""
    cell_width, cell_height = WIDTH * SCALE, HEIGHT * SCALE
    size = (len(samples) // columns * cell_height, columns * cell_width)
    mosaic = Pillow.new("RGB", size[::-1])
    truth: list[RLE] = []
    areas: list[float] = []
    for position, sample in enumerate(samples):
        x, y = position % columns * cell_width, position // columns * cell_height
        with Pillow.open(sample.picture) as picture:
            mosaic.paste(picture.convert("RGB").resize((cell_width, cell_height), Pillow.Resampling.BICUBIC), (x, y))
        for target in sample.targets:
            enlarged = target.mask().repeat(SCALE, axis=0).repeat(SCALE, axis=1)
            truth.append(RLE.encode_crop(enlarged, (x, y), size))
            areas.append(target.area)
    mosaic.save(file, quality=95)
    return truth, areas


def search(file: Path, options: dict[str, Any], settings: argparse.Namespace) -> dict[str, Any]:
    """Searches a picture in a process of its own; returns masks, best first, seconds, and peak bytes."""
    command = [sys.executable, str(Path(__file__).resolve()), "--data", "-", "--child", str(file)]
    command += ["--runtime", settings.runtime, "--threads", str(settings.threads)]
    command += ["--options", json.dumps(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def child(settings: argparse.Namespace) -> None:
    """Does what `search` asks and writes the answer to stdout."""
    segmenter = Segmenter(runtime=settings.runtime, threads=settings.threads)
    began = time.perf_counter()
    image = Image.open(settings.child)
    first, masks, scores = None, [], []
    for part in segmenter.iter_everything(image, **json.loads(settings.options)):
        first = first or time.perf_counter() - began
        masks += part.masks
        scores += ranking(part).tolist()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    order = np.argsort(-np.array(scores), kind="stable").tolist()
    answer = {
        "engine": repr(segmenter),
        "first": first,
        "seconds": seconds,
        "peak": peak,
        "masks": [masks[index].to_coco() for index in order],
    }
    print(json.dumps(answer))


def one_by_one(samples: Sequence[Sample], settings: argparse.Namespace) -> tuple[RecallCounts, float, float]:
    """Searches every picture alone; returns the counts, masks and seconds, all summed."""
    segmenter = Segmenter(runtime=settings.runtime, threads=settings.threads)
    total: RecallCounts | None = None
    masks, seconds = 0.0, 0.0
    for sample in samples:
        image = Image.open(sample.picture)
        began = time.perf_counter()
        found = segmenter.everything(image)
        seconds += time.perf_counter() - began
        masks += len(found)
        ranked = [found.masks[index] for index in np.argsort(-ranking(found), kind="stable").tolist()]
        truth = [RLE.encode(target.mask()) for target in sample.targets]
        counts = count_recall(truth, [target.area for target in sample.targets], ranked, limits=LIMITS)
        total = counts if total is None else total + counts
    assert total is not None
    return total, masks, seconds


def row(name: str, counts: RecallCounts, masks: float, seconds: float, peak: float | None) -> str:
    """Formats one row of the table."""
    recall = counts.average_recall()
    few, many = counts.limits
    values = [recall["all"][few], recall["all"][many]]
    values += [recall[size][many] for size in ("small", "medium", "large")]
    cells = " | ".join("-" if math.isnan(value) else f"{100 * value:.1f}" for value in values)
    memory = "" if peak is None else f"{peak / 2**20:.0f}"
    return f"| {name} | {cells} | {masks:.0f} | {seconds:.1f} | {memory} |"


def run(settings: argparse.Namespace) -> str:
    """Measures, and returns the table."""
    cell = WIDTH * HEIGHT * SCALE**2 / 1e6
    columns = rows = 2 if settings.small else 3
    if settings.megapixels:
        rows = max(1, round(math.sqrt(settings.megapixels / cell)))
        columns = max(1, round(settings.megapixels / cell / rows))
    samples = choose(settings.data, rows * columns)
    if settings.memory:
        return memory(samples, columns, settings)
    alone, alone_masks, alone_seconds = one_by_one(samples, settings)
    lines = [
        "| search | AR@100 | AR@1000 | small | medium | large | masks | seconds | peak MiB |",
        "|---|---|---|---|---|---|---|---|---|",
        row("the pictures one by one", alone, alone_masks, alone_seconds, None),
    ]
    print(lines[-1], file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mosaic.jpg"
        truth, areas = lay(samples, columns, file)
        size = truth[0].size
        cases: dict[str, dict[str, Any]] = {
            "the mosaic as a whole, without tiles": {},
            f"the mosaic, tile={settings.tile}": {"tile": settings.tile},
        }
        answer: dict[str, Any] = {}
        for name, options in cases.items():
            answer = search(file, options, settings)
            found = [RLE.from_coco(mask) for mask in answer["masks"]]
            limits = [limit * len(samples) for limit in LIMITS]
            counts = count_recall(truth, areas, found, limits=limits)
            lines.append(row(name, counts, len(found), answer["seconds"], answer["peak"]))
            print(lines[-1], file=sys.stderr, flush=True)
        picture = search(samples[0].picture, {}, settings)
    height, width = size
    lines += [
        "",
        f"{rows * columns} pictures with {len(truth)} objects; mosaic of {width} x {height} = "
        f"{width * height / 1e6:.1f} megapixels; first masks after {answer['first']:.1f} s; a process that searches "
        f"one of the pictures alone peaks at {picture['peak'] / 2**20:.0f} MiB. {answer['engine']}, "
        f"{settings.threads} threads, {platform.processor() or platform.machine()}, {datetime.now(UTC):%Y-%m-%d}.",
    ]
    return "\n".join(lines)


def memory(samples: Sequence[Sample], columns: int, settings: argparse.Namespace) -> str:
    """Searches the mosaic in tiles; returns a sentence about its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mosaic.jpg"
        height, width = lay(samples, columns, file)[0][0].size
        options: dict[str, Any] = {"tile": settings.tile}
        if settings.points:
            options["points_per_side"] = settings.points
        answer = search(file, options, settings)
    return (
        f"{width} x {height} = {width * height / 1e6:.1f} megapixels, {options}: peak {answer['peak'] / 1e6:.0f} MB, "
        f"{len(answer['masks'])} masks, {answer['seconds']:.0f} s, first masks after {answer['first']:.1f} s. "
        f"{answer['engine']}, {settings.threads} threads, {datetime.now(UTC):%Y-%m-%d}."
    )


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with instances.json and images/")
    parser.add_argument("--small", action="store_true", help="a mosaic of 2 x 2")
    parser.add_argument("--megapixels", type=float, help="a mosaic of about this size")
    parser.add_argument("--memory", action="store_true", help="only the peak memory of the search in tiles")
    parser.add_argument("--points", type=int, help="with --memory: points per side of a tile")
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--runtime", default="onnx")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--options", default="{}", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.child:
        child(settings)
        return
    text = run(settings)
    print(text)
    if settings.output:
        head = "# Very large pictures in tiles\n\nMade by `benchmarks/tiling.py`, which says what is measured.\n\n"
        settings.output.write_text(f"{head}{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
