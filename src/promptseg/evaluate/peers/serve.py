"""promptseg as a peer's program: the same protocol, so that it can run in a process or environment of its own.

    python -m promptseg.evaluate.peers.serve --model mobile-sam --runtime onnx

It is how latency and memory are measured, and how two versions or two engines of promptseg meet in one run.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from promptseg.evaluate.contestants.contestant import ABILITIES, Contestant
from promptseg.evaluate.peers.program import PROTOCOL, peak_bytes, serve
from promptseg.images import Image
from promptseg.runtimes.options import EngineOptions


class ContestantProgram:
    """Answers requests for any contestant.

    Args:
        make: makes the contestant, given the number of threads.
    """

    def __init__(self, make: Callable[[int], Contestant]) -> None:
        self._make = make
        self._contestant: Contestant | None = None

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

    def _asked(self, one: Contestant, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if operation == "picture":
            one.start(Image.open(str(request["path"])))
            return {}
        if operation == "begin":
            one.begin()
            return {}
        if operation not in ABILITIES:
            raise ValueError(f"unknown request {operation!r}")
        return ABILITIES[operation].answer(getattr(one, operation), request)


def main() -> None:
    """Runs the program."""
    from promptseg.evaluate.contestants.ours import OfficialRecipe, Ours
    from promptseg.segment.sam import SamSegmenter
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
        if recipe and isinstance(segmenter, SamSegmenter):
            return OfficialRecipe(segmenter, name)
        return Ours(segmenter, name, way=way)

    serve(ContestantProgram(make).answer)


if __name__ == "__main__":
    main()
