"""How much of the time of `evaluate clicks` is not the model's: reading, simulated clicks, metrics, summing up.

python benchmarks/evaluate_overhead.py DEV/davis2016 [--pictures 20] [--clicks 20] [--runtime openvino]
"""

import argparse
import time

from promptseg import Segmenter
from promptseg.evaluate import Source, make_task, provenance, run, summarise
from promptseg.evaluate.contestants.ours import Ours


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    ours = Ours(Segmenter(runtime=given.runtime, threads=given.threads))
    task = make_task("clicks", clicks=given.clicks)
    run(task, Source(path=given.dataset, limit=1)(), [ours])  # warms up
    began = time.perf_counter()
    dataset = Source(path=given.dataset, limit=given.pictures)()
    opened = time.perf_counter() - began
    found = run(task, dataset, [ours])
    ran = time.perf_counter() - began
    summary = summarise(found)
    wall = time.perf_counter() - began
    answers = found.answers[0]
    model = sum(sum(each) for answer in answers for each in answer.seconds.values())
    clicks = sum(len(answer.seconds["click"]) for answer in answers)
    origin = provenance("mobile-sam", ours.settings)
    print(
        f"{dataset.name}, {len(summary.results[0].rows)} objects on {len(answers)} pictures, {clicks} clicks: "
        f"{wall:.2f} s, of which the model {model:.2f} s; the rest is {1 - model / wall:.1%} "
        f"(opening {opened:.2f} s, summing up {wall - ran:.2f} s). {ours.settings}, {origin.commit}, "
        f"{origin.processor}, {origin.date}."
    )


if __name__ == "__main__":
    main()
