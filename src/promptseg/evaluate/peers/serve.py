"""promptseg as a peer's program: the same protocol, so that it can run in a process or environment of its own.

    python -m promptseg.evaluate.peers.serve --model mobile-sam --runtime onnx

It is how latency and memory are measured, and how two versions or two engines of promptseg meet in one run.
"""

import argparse
import base64
import io
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from PIL import Image as PIL

from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.peers.program import PROTOCOL, peak_bytes
from promptseg.geometry import Size
from promptseg.images import Image
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.runtimes.options import EngineOptions
from promptseg.vocabulary import Vocabulary


class ContestantProgram:
    """Answers requests for any contestant.

    Args:
        make: makes the contestant, given the number of threads.
    """

    def __init__(self, make: Callable[[int], Contestant]) -> None:
        self._make = make
        self._contestant: Contestant | None = None
        self._size = Size(1, 1)

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the answer to one request."""
        operation = str(request.get("op"))
        if operation == "hello":
            self._contestant = self._make(int(request.get("threads", 1)))
            return {
                "protocol": PROTOCOL,
                "name": self._contestant.name,
                "settings": self._contestant.settings,
                "abilities": sorted(self._contestant.abilities),
            }
        if self._contestant is None:
            return {"error": "hello comes first"}
        began = time.perf_counter()
        answer = self._asked(self._contestant, operation, request)
        return {"seconds": time.perf_counter() - began, "peak_bytes": peak_bytes(), **answer}

    def _asked(self, one: Contestant, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "picture":
            image = Image.open(str(request["path"]))
            self._size = image.size
            one.start(image)
            return {}
        if operation == "begin":
            one.begin()
            return {}
        if operation == "click":
            mask = one.click(float(request["x"]), float(request["y"]), bool(request["positive"]))
            return {"masks": [RLE.encode(mask).to_coco()]}
        if operation == "edges":
            return {"png": _png(one.edges())}
        if operation == "labels":
            masks = tuple(RLE.from_coco(mask) for mask in request["masks"])
            names = one.labels(Segments(self._size, masks), _vocabulary(request), int(request["top"]))
            return {"labels": [list(each) for each in names]}
        if operation == "track":
            frames = [Image.open(str(path)) for path in request["paths"]]
            found = one.track(frames, RLE.from_coco(request["mask"]))
            return {"masks": [mask.to_coco() for mask in found]}
        return _masks(self._found(one, operation, request))

    def _found(
        self, one: Contestant, operation: str, request: Mapping[str, Any]
    ) -> Segments | PanopticSegments:
        calls: dict[str, Callable[[], Segments | PanopticSegments]] = {
            "point": lambda: one.point(float(request["x"]), float(request["y"])),
            "boxes": lambda: one.boxes([tuple(box) for box in request["boxes"]]),
            "everything": one.everything,
            "semantic": lambda: one.semantic(_vocabulary(request)),
            "panoptic": lambda: one.panoptic(_vocabulary(request)),
            "instances": lambda: one.instances(_vocabulary(request)),
            "phrases": lambda: one.phrases(
                [str(phrase) for phrase in request["phrases"]], together=bool(request["together"])
            ),
            "matches": lambda: one.matches(str(request["phrase"])),
            "reference": lambda: one.reference(
                Image.open(str(request["path"])), RLE.from_coco(request["mask"])
            ),
        }
        if operation not in calls:
            raise ValueError(f"unknown request {operation!r}")
        return calls[operation]()


def _vocabulary(request: Mapping[str, Any]) -> Vocabulary:
    classes = request["classes"]
    return Vocabulary(
        tuple(str(each["name"]) for each in classes),
        tuple(bool(each["thing"]) for each in classes),
        tuple(int(each["id"]) for each in classes),
    )


def _masks(found: Segments | PanopticSegments) -> dict[str, Any]:
    segments = found.segments if isinstance(found, PanopticSegments) else found
    labels = (
        [category.name for category in found.categories]
        if isinstance(found, PanopticSegments)
        else list(segments.labels)
    )
    return {
        "masks": [mask.to_coco() for mask in segments.masks],
        "scores": segments.scores.tolist(),
        "labels": labels,
    }


def _png(strength: Any) -> str:
    file = io.BytesIO()
    PIL.fromarray(np.round(np.clip(strength, 0, 1) * 65535).astype(np.uint16)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def serve(program: ContestantProgram) -> None:
    """Answers lines until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever is printed must not come between the answers
    for line in sys.stdin:
        try:
            answer = program.answer(json.loads(line))
        except Exception as error:  # the other side shows it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    """Runs the program."""
    from promptseg.evaluate.contestants.ours import OfficialRecipe, Ours
    from promptseg.segment.segmenter import Segmenter

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for item in fields(EngineOptions):
        if item.name not in ("threads", "cache"):
            parser.add_argument(f"--{item.name}", default=item.default, help=item.metadata["help"])
    parser.add_argument("--way", default="fast")
    parser.add_argument("--name", default="promptseg")
    parser.add_argument("--recipe", action="store_true", help="SAM's official recipe instead of ours")
    given = vars(parser.parse_args())
    way, name, recipe = given.pop("way"), given.pop("name"), given.pop("recipe")

    def make(threads: int) -> Contestant:
        segmenter = Segmenter.of(EngineOptions(threads=threads, **given))
        return OfficialRecipe(segmenter, name) if recipe else Ours(segmenter, name, way=way)

    serve(ContestantProgram(make))


if __name__ == "__main__":
    main()
