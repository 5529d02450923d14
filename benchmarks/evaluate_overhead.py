"""How much of the time of `evaluate clicks` is not the model's: reading, simulated clicks, metrics, summing up.

python benchmarks/evaluate_overhead.py DEV/davis2016 [--pictures 20] [--clicks 20] [--runtime openvino]
"""

import argparse
import time

from promptseg import Segmenter
from promptseg.arrays import BoolArray
from promptseg.evaluate import DatasetSource, make_task, provenance, run, summarise
from promptseg.evaluate.contestants.ours import Ours
from promptseg.images import Image


class Timed(Ours):
    """Ours, noting the processor's seconds of each call."""

    spent = 0.0

    def start(self, image: Image) -> None:
        began = time.process_time()
        super().start(image)
        self.spent += time.process_time() - began

    def begin(self) -> None:
        began = time.process_time()
        super().begin()
        self.spent += time.process_time() - began

    def click(self, x: float, y: float, positive: bool) -> BoolArray:
        began = time.process_time()
        mask = super().click(x, y, positive)
        self.spent += time.process_time() - began
        return mask


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--runtime", default="auto")
    given = parser.parse_args()
    ours = Timed(Segmenter(runtime=given.runtime, threads=1))
    task = make_task("clicks", clicks=given.clicks)
    run(task, DatasetSource(path=given.dataset, limit=1)(), [ours])  # warms up
    ours.spent, began = 0.0, time.process_time()
    dataset = DatasetSource(path=given.dataset, limit=given.pictures)()
    opened = time.process_time() - began
    found = run(task, dataset, [ours])
    ran = time.process_time() - began
    summary = summarise(found)
    total = time.process_time() - began
    answers = found.answers[0]
    clicks = sum(len(answer.seconds["click"]) for answer in answers)
    rest, origin = total - ours.spent, provenance("mobile-sam", ours.settings)
    print(
        f"{dataset.name}, {len(summary.results[0].rows)} objects on {len(answers)} pictures, {clicks} clicks: the "
        f"model {ours.spent:.2f} s, all else {rest:.2f} s (opening {opened:.2f}, summing up {total - ran:.2f}): "
        f"{rest / total:.1%} of the time with one thread, {rest / (rest + ours.spent / 2):.1%} if two threads make the "
        f"model twice as quick. {ours.settings}, {origin.commit}, {origin.processor}, {origin.date}."
    )


if __name__ == "__main__":
    main()
