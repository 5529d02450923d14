"""The fast mode beside the official generator of mobilesam-mirror: the same weights and pictures, in turn.

    python benchmarks/everything.py --peer-python ENV/bin/python PICTURE... [--output FILE]
    python benchmarks/everything.py growth PICTURE [--plot FILE.svg] [--output FILE]

First form: for each picture the peer, then each of our engines, every contestant in a process of its own that has
already segmented something; recall is the share of the peer's masks that have a partner of IoU at least 0.85 among
ours (the exact mode gives the peer's masks, see everything_exact.py). Second form: seconds and peak memory against
megapixels and against points per side, a new process each; the plot shows them against megapixels.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import peer
from PIL import Image as Pillow

HERE = Path(__file__).resolve().parent
ENGINES = ("openvino", "onnx")
MEGAPIXELS, GRIDS = (1, 4, 12, 50), (8, 16, 32, 64)


def work(engine: str, threads: int) -> None:
    """Our contestant: a job {"picture", "output", "options"} per line, answered with seconds and masks."""
    from promptseg import Image, Segmenter

    segmenter = Segmenter(runtime=engine, threads=threads)
    segmenter.everything(np.zeros((64, 64, 3), np.uint8), points_per_side=2)

    def segment(path: str, options: dict[str, Any]) -> tuple[float, list[dict[str, Any]]]:
        picture = Image.open(path)
        _ = picture.pixels
        began = time.perf_counter()
        found = segmenter.everything(picture, **options)
        return time.perf_counter() - began, found.to_records("uncompressed_rle")

    peer.answer_jobs(segment)


def ours(engine: str, threads: int, folder: Path) -> peer.Contestant:
    """Starts one of our engines."""
    return peer.Contestant(engine, [sys.executable, __file__, "worker", engine, str(threads)], folder)


def theirs(arguments: argparse.Namespace, folder: Path) -> peer.Contestant:
    """Starts the peer."""
    return peer.Contestant("peer", peer.command(arguments.peer_python, "records", arguments.threads), folder)


def recall(expected: list[dict[str, Any]], own: list[dict[str, Any]]) -> tuple[int, int]:
    """Counts their masks, and those that have a partner among ours."""
    from promptseg.masks.overlap import iou_matrix
    from promptseg.masks.rle import RLE

    masks = [[RLE.from_coco(item["segmentation"]) for item in side] for side in (expected, own)]
    hit = (iou_matrix(*masks).max(axis=1, initial=0) >= 0.85).sum() if expected else 0
    return len(expected), int(hit)


def compare(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Runs all contestants in turn and returns the table."""
    official = theirs(arguments, folder)
    contestants = [ours(engine, arguments.threads, folder) for engine in ENGINES]
    lines = [
        "| picture | contestant | masks | seconds | peer / ours | recall of the peer's masks |",
        "|---|---|---|---|---|---|",
    ]
    ratios: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    totals = {engine: np.zeros(2, int) for engine in ENGINES}
    for picture in arguments.pictures:
        expected = official.run(picture)
        lines.append(f"| {picture.name} | peer | {len(expected['records'])} | {expected['seconds']:.1f} | | |")
        for contestant in contestants:
            runs = [contestant.run(picture) for _ in range(arguments.rounds)]
            seconds = median(run["seconds"] for run in runs)
            count, hit = recall(expected["records"], runs[0]["records"])
            ratios[contestant.name].append(expected["seconds"] / seconds)
            totals[contestant.name] += (count, hit)
            lines.append(
                f"| | {contestant.name} | {len(runs[0]['records'])} | {seconds:.1f} | "
                f"{expected['seconds'] / seconds:.1f}x | {hit / max(1, count):.3f} |"
            )
        print("\n".join(lines[-3:]), flush=True)
    for engine in ENGINES:
        count, hit = totals[engine]
        lines.append(
            f"| **all {len(arguments.pictures)}** | {engine} | | | median {median(ratios[engine]):.1f}x "
            f"({min(ratios[engine]):.1f} to {max(ratios[engine]):.1f}) | {hit / max(1, count):.3f} of {count} |"
        )
    for contestant in (official, *contestants):
        contestant.close()
    return lines


def growth(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Measures one picture at several sizes and grids; the peer's memory with a grid far smaller than its own."""
    lines = ["| picture | points per side | engine | masks | seconds | peak memory |", "|---|---|---|---|---|---|"]
    source = Pillow.open(arguments.pictures[0]).convert("RGB")
    jobs = [(size, 32) for size in MEGAPIXELS] + [(1, side) for side in GRIDS if side != 32]
    curves: dict[str, list[tuple[float, float, float]]] = {engine: [] for engine in ENGINES}
    for megapixels, side in jobs:
        factor = (megapixels * 1e6 / (source.width * source.height)) ** 0.5
        path = folder / f"{megapixels}.jpg"
        source.resize((round(source.width * factor), round(source.height * factor)), Pillow.Resampling.BICUBIC).save(
            path, quality=90
        )
        for engine in ENGINES:
            contestant = ours(engine, arguments.threads, folder)
            runs = [contestant.run(path, points_per_side=side) for _ in range(arguments.rounds)]
            contestant.close()
            seconds = median(run["seconds"] for run in runs)
            peak = max(run["peak_bytes"] for run in runs) / 1e6
            if side == 32:
                curves[engine].append((megapixels, seconds, peak))
            lines.append(
                f"| {megapixels} MP | {side} | {engine} | {len(runs[0]['records'])} | {seconds:.1f} | {peak:.0f} MB |"
            )
            print(lines[-1], flush=True)
    if arguments.plot:
        arguments.plot.write_text(plot(curves))
    if arguments.peer_python:
        official = theirs(arguments, folder)
        run = official.run(folder / "12.jpg", points_per_side=4, points_per_batch=16)
        official.close()
        lines.append(
            f"| 12 MP | 4, in batches of 16 (its default is 64) | peer | | | {run['peak_bytes'] / 1e6:.0f} MB |"
        )
    return lines


def plot(curves: dict[str, list[tuple[float, float, float]]]) -> str:
    """Draws seconds and peak memory against megapixels, a panel each; both axes begin at 0."""
    width, height, left, top = 320, 220, 60, 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * (width + 90)} {height + 90}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    most = max(point[0] for points in curves.values() for point in points)
    for panel, (title, column) in enumerate((("seconds per picture", 1), ("peak memory, MB", 2))):
        x0, high = left + panel * (width + 90), 1.1 * max(p[column] for c in curves.values() for p in c)
        parts.append(f'<text x="{x0}" y="{top - 14}" font-weight="bold">{title}</text>')
        parts.append(f'<path d="M{x0} {top}v{height}h{width}" fill="none" stroke="#888"/>')
        for step in range(5):
            y = top + height - step * height / 4
            parts.append(f'<text x="{x0 - 6}" y="{y + 4}" text-anchor="end">{high * step / 4:.{2 - column}f}</text>')
        for megapixels in MEGAPIXELS:
            x = x0 + width * megapixels / most
            parts.append(f'<text x="{x}" y="{top + height + 16}" text-anchor="middle">{megapixels}</text>')
        parts.append(f'<text x="{x0 + width / 2}" y="{top + height + 36}" text-anchor="middle">megapixels</text>')
        for number, (engine, points) in enumerate(curves.items()):
            colour = ("#0072b2", "#d55e00")[number % 2]
            places = [(x0 + width * point[0] / most, top + height * (1 - point[column] / high)) for point in points]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
            parts.append(
                f'<text x="{x0 + width - 4}" y="{top + height - 12 - 16 * number}" text-anchor="end" '
                f'fill="{colour}">{engine}</text>'
            )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Runs the command."""
    if sys.argv[1:2] == ["worker"]:
        return work(sys.argv[2], int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+")
    peer.add_options(parser, required=False)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    form = arguments.pictures.pop(0) if arguments.pictures[0] == "growth" else "compare"
    arguments.pictures = [Path(picture) for picture in arguments.pictures]
    with tempfile.TemporaryDirectory() as folder:
        lines = (growth if form == "growth" else compare)(arguments, Path(folder))
    head = (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {peer.commit()}, {platform.machine()}, "
        f"{os.cpu_count()} cores, {arguments.threads} threads."
    )
    text = "\n".join([head, "", *lines, ""])
    if arguments.output:
        arguments.output.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
