"""The exact mode beside the official automatic mask generator: the same weights, the same masks, in the same order.

    python benchmarks/everything_exact.py --peer-python ENV/bin/python --data DIR --cache DIR
        [--runtime onnx] [--only STEM ...] [--output benchmarks/everything_exact.md]

Pictures: the examples, and the first of each of the folders coco, voc, davis2016 and bsds500 of --data (two of the
first two). The peer takes a minute or more per picture, so its records are kept in --cache (COCO RLE) and used again;
ours are measured anew in every run. Two more cases, with few points, try crop layers and the removal of small regions.

A mask has a partner when a mask of the other side overlaps it with IoU of at least 0.99. "Order": the share of
neighbouring partners that stand in the same order on both sides; pairs whose scores are nearer than 1e-3 may swap.
"""

import argparse
import itertools
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import peer

from promptseg import Image, Segmenter
from promptseg.masks.overlap import iou_matrix
from promptseg.masks.rle import RLE

HERE = Path(__file__).resolve().parent
FOLDERS = {"coco": 2, "voc": 2, "davis2016": 1, "bsds500": 1}
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "crops": {"points_per_side": 8, "crop_n_layers": 1, "crop_n_points_downscale_factor": 2},
    "crops, small regions": {"points_per_side": 8, "crop_n_layers": 1, "min_mask_region_area": 100},
}
PARTNER, SCORE = 0.99, 1e-3


def pictures(data: Path) -> list[Path]:
    """Chooses the ten pictures."""
    chosen = sorted((HERE.parent / "examples").glob("*.jpg"))
    for folder, count in FOLDERS.items():
        chosen += sorted((data / folder / "images").glob("*.jpg"))[:count]
    return chosen


class Peer:
    """The peer's process, started when first needed, and its kept records."""

    def __init__(self, python: str, threads: int, cache: Path) -> None:
        self._command = peer.command(python, "records", threads)
        self._process: peer.Contestant | None = None
        self._cache = cache

    def records(self, picture: Path, case: str) -> dict[str, Any]:
        """Returns seconds, peak bytes and records (COCO RLE) of one job."""
        name = f"{picture.parent.parent.name}_{picture.stem}_{case.replace(', ', '_').replace(' ', '_')}.json"
        kept = self._cache / name
        if not kept.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            self._process = self._process or peer.Contestant("peer", self._command, self._cache)
            answer = self._process.run(picture, **CASES[case])
            for record in answer["records"]:
                record["segmentation"] = RLE.from_coco(record["segmentation"]).to_coco()
            fresh = kept.with_suffix(".part")
            fresh.write_text(json.dumps(answer | {"options": CASES[case]}))
            os.replace(fresh, kept)
            print(f"peer: {picture} {answer['seconds']:.1f} s", file=sys.stderr, flush=True)
        return json.loads(kept.read_text())


def compare(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    """Pairs the records of both sides and returns the figures of one row."""
    sides = [[RLE.from_coco(record["segmentation"]) for record in side] for side in (ours, theirs)]
    overlap = iou_matrix(*sides)
    if overlap.size == 0:
        same = float(not ours and not theirs)
        return {"ours": same, "theirs": same, "score": 0.0, "stability": 0.0, "fields": True, "order": 1.0}
    # One point may give the same mask twice over, so the nearer in score is the partner of equal overlaps.
    scores = [np.array([record["predicted_iou"] for record in side]) for side in (ours, theirs)]
    apart = abs(scores[0][:, None] - scores[1][None])
    partner = np.argmax(overlap - apart * 1e-3, axis=1)
    found = overlap[np.arange(len(ours)), partner] >= PARTNER
    pairs = [(row, int(partner[row])) for row in np.flatnonzero(found).tolist()]
    fields = all(
        ours[a]["point_coords"] == theirs[b]["point_coords"] and ours[a]["crop_box"] == theirs[b]["crop_box"]
        for a, b in pairs
    )
    return {
        "ours": float(found.mean()),
        "theirs": float((overlap.max(axis=0) >= PARTNER).mean()),
        "score": max((apart[a, b] for a, b in pairs), default=0.0),
        "stability": max(
            (abs(ours[a]["stability_score"] - theirs[b]["stability_score"]) for a, b in pairs), default=0.0
        ),
        "fields": fields,
        "order": _order(pairs, scores[1]),
    }


def _order(pairs: list[tuple[int, int]], scores: Any) -> float:
    steps = [(a[1], b[1]) for a, b in itertools.pairwise(pairs)]
    kept = [first < second or abs(scores[first] - scores[second]) < SCORE for first, second in steps]
    return float(np.mean(kept)) if kept else 1.0


def measure(segmenter: Segmenter, official: Peer, jobs: list[tuple[Path, str]]) -> list[dict[str, Any]]:
    """Runs both sides on every job."""
    rows: list[dict[str, Any]] = []
    for path, case in jobs:
        theirs = official.records(path, case)
        picture = Image.open(path)
        began = time.perf_counter()
        records = segmenter.everything(picture, mode="exact", **CASES[case]).to_records()
        seconds = time.perf_counter() - began
        row = {
            "picture": path.stem,
            "case": case,
            "masks": len(records),
            "their masks": len(theirs["records"]),
            **compare(records, theirs["records"]),
            "seconds": seconds,
            "their seconds": theirs["seconds"],
        }
        print(row, file=sys.stderr, flush=True)
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Formats the rows as a Markdown table."""
    lines = [
        "| picture | case | masks, ours / peer | ours with partner | peer's with partner | largest score difference "
        "| largest stability difference | points and crops equal | same order | seconds, ours / peer |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['picture']} | {row['case']} | {row['masks']} / {row['their masks']} | {row['ours']:.2%} "
        f"| {row['theirs']:.2%} | {row['score']:.1e} | {row['stability']:.1e} | {'yes' if row['fields'] else 'no'} "
        f"| {row['order']:.1%} | {row['seconds']:.1f} / {row['their seconds']:.1f} |"
        for row in rows
    ]
    ours = sum(row["masks"] for row in rows)
    theirs = sum(row["their masks"] for row in rows)
    lines.append(
        f"| all | | {ours} / {theirs} | {sum(row['ours'] * row['masks'] for row in rows) / max(1, ours):.2%} "
        f"| {sum(row['theirs'] * row['their masks'] for row in rows) / max(1, theirs):.2%} "
        f"| {max(row['score'] for row in rows):.1e} | {max(row['stability'] for row in rows):.1e} | | | |"
    )
    return "\n".join(lines)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peer.add_options(parser)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--runtime", default="onnx")
    parser.add_argument("--only", nargs="+", metavar="STEM", help="of the pictures, at default settings")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    chosen = pictures(options.data)
    jobs = [(chosen[0], case) for case in list(CASES)[1:]] + [(path, "default") for path in chosen]
    if options.only:
        jobs = [(path, "default") for path in chosen if path.stem in options.only]
    segmenter = Segmenter(runtime=options.runtime, precision="float32", threads=options.threads)
    text = table(measure(segmenter, Peer(options.peer_python, options.threads, options.cache), jobs))
    print(text)
    if options.output:
        head = (
            f"# The exact mode beside the official generator\n\n{datetime.now(UTC):%Y-%m-%d}, after commit "
            f"{peer.commit()}, {platform.processor() or platform.machine()}, {options.threads} threads, {segmenter!r}; "
            "peer: `SamAutomaticMaskGenerator` of mobilesam-mirror 1.0.0 with the same weights in torch. Made by "
            "`benchmarks/everything_exact.py`, which says what the columns mean. The peer's seconds were taken once "
            "and not in turn with ours: for speed see the fast mode's table.\n\n"
        )
        options.output.write_text(f"{head}{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
