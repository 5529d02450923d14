"""Every kind of answer on two small pictures is what it was (`behaviour.py`), with room for other processors' rounding.

After a change that means to answer otherwise, `python tests/house/test_behaviour.py` writes the answers anew.
"""

import gzip
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from behaviour import answers

from promptseg import Segmenter
from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE

GOLDEN = Path(__file__).parents[1] / "golden/house"
PICTURES = {"coffee": False, "astronaut": True}
"""Which are asked what is quickly answered, only."""
LEFT_OUT = {"http openapi"}
"""Held by a test of its own."""


def stored(name: str) -> Path:
    return GOLDEN / f"{name}.json.gz"


def asked(name: str) -> dict[str, Any]:
    segmenter = Segmenter(runtime="onnx", threads=1)
    found = answers(GOLDEN / f"{name}.png", segmenter, quick=PICTURES[name])
    return {request: json.loads(json.dumps(answer)) for request, answer in found if request not in LEFT_OUT}


def is_mask(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"size", "counts"}


def differences(before: Any, after: Any, place: str = "") -> list[str]:
    """Tells where two answers differ by more than another processor's rounding."""
    if is_mask(before) and is_mask(after):
        masks = [RLE.from_coco(value) for value in (before, after)]
        same = not any(mask.area for mask in masks) or iou(*masks) > 0.95
        return [] if same else [f"{place}: another mask"]
    if type(before) is not type(after) and not {type(before), type(after)} <= {int, float}:
        return [f"{place}: {before!r:.60} became {after!r:.60}"]
    if isinstance(before, dict):
        found = [f"{place}: {key} is not in both" for key in before.keys() ^ after.keys()]
        return found + [
            text for key in before.keys() & after for text in differences(before[key], after[key], f"{place}/{key}")
        ]
    if isinstance(before, list):
        if len(before) != len(after):
            return [f"{place}: {len(before)} became {len(after)}"]
        return [
            text
            for row, pair in enumerate(zip(before, after, strict=True))
            for text in differences(*pair, f"{place}/{row}")
        ]
    if isinstance(before, int | float) and not isinstance(before, bool):
        return [] if math.isclose(before, after, rel_tol=0.05, abs_tol=0.05) else [f"{place}: {before} became {after}"]
    if isinstance(before, str) and len(before) > 40:  # hashes of pixels, outlines, pictures: as exact as the masks are
        return []
    return [] if before == after else [f"{place}: {before!r} became {after!r}"]


@pytest.mark.parametrize("name", PICTURES)
def test_answers_are_what_they_were(name: str) -> None:
    before = json.loads(gzip.decompress(stored(name).read_bytes()))
    after = asked(name)
    assert after.keys() == before.keys()
    other = [text for request in before for text in differences(before[request], after[request], request)]
    exact = sum(before[request] == after[request] for request in before)
    assert not other, "\n".join(
        [f"{exact} of {len(before)} answers are the same to the bit; others differ:", *other[:20]]
    )


def test_a_difference_is_seen() -> None:
    mask = RLE.from_coco({"size": [4, 4], "counts": [0, 8, 8]}).to_coco()
    other = RLE.from_coco({"size": [4, 4], "counts": [8, 8]}).to_coco()
    assert differences([mask, 1.0, "a"], [mask, 1.01, "a"]) == []
    assert len(differences({"a": [mask, 1.0, "a", True]}, {"a": [other, 2.0, "b", False]})) == 4
    assert differences([1], [1, 2])
    assert differences({"a": 1}, {"b": 1})


if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        stored(name).write_bytes(gzip.compress(json.dumps(asked(name)).encode(), mtime=0))
        print(stored(name), stored(name).stat().st_size)
