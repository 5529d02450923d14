"""Do the runtimes agree? Mean IoU of their masks with torch's in float32, on pictures of a folder.

    python benchmarks/runtime_parity.py FOLDER [--pictures 20] [--engines openvino:bfloat16 ...]

Per picture: three clicks, a box, and a second click with the previous logits. "Answers" are the masks that a user
gets (the one that the reference chooses); "all masks" are all four of every prompt, also those that nobody would take.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from promptseg import Box, Point, Segmenter
from promptseg.masks.overlap import iou
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.encode import encode_object
from promptseg.segment.places.predictor import choose, decode

ENGINES = ("onnx:float32", "openvino:float32", "openvino:bfloat16")


def compare(reference: Segmenter, others: list[Segmenter], path: Path) -> dict[str, list[tuple[bool, bool, float]]]:
    """Returns for each runtime and mask: was it the answer, would this runtime choose it too, IoU."""
    images = [segmenter.embed(path) for segmenter in (reference, *others)]
    frame = images[0].frame
    height, width = images[0].size
    clicks = [Point(width * x, height * y) for x, y in ((0.5, 0.5), (0.3, 0.6), (0.7, 0.35))]
    requests = [((click,), None) for click in clicks]
    requests.append(((Box(width * 0.2, height * 0.2, width * 0.8, height * 0.85),), None))
    first = decode(reference.runtime, images[0], [encode_object((clicks[0],), frame)])[0]
    requests.append((tuple(clicks[:2]), first.logits[first.best_of_three()]))
    found: dict[str, list[tuple[bool, bool, float]]] = {repr(other): [] for other in others}
    for prompts, memory in requests:
        item = encode_object(prompts, frame, memory=memory)
        expected = decode(reference.runtime, images[0], [item], choice=reference.companions.choice)[0]
        ((answer, *_),) = choose(expected, item.ambiguous, "auto", frame)
        for other, image in zip(others, images[1:], strict=True):
            given = decode(other.runtime, image, [item], choice=other.companions.choice)[0]
            same = choose(given, item.ambiguous, "auto", frame)[0][0] == answer
            for token in range(4):
                pair = (upsample_to_rle(part.logits[token], frame) for part in (expected, given))
                found[repr(other)].append((token == answer, same, iou(*pair)))
    return found


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="+", default=ENGINES, metavar="NAME:PRECISION")
    options = parser.parse_args()
    every = sorted(options.folder.glob("*.jpg"))
    chosen = [every[index] for index in np.linspace(0, len(every) - 1, options.pictures).astype(int)]
    reference = Segmenter(runtime="torch", threads=options.threads)
    others = [
        Segmenter(runtime=name, precision=precision, threads=options.threads)
        for name, precision in (engine.split(":") for engine in options.engines)
    ]
    rows: dict[str, list[tuple[bool, bool, float]]] = {repr(other): [] for other in others}
    for path in chosen:
        for name, values in compare(reference, others, path).items():
            rows[name] += values
            answers = [value for is_answer, _, value in values if is_answer]
            print(path.name, name, *(f"{value:.4f}" for value in answers), file=sys.stderr, flush=True)
    print("| runtime | answers | mean IoU of answers | lowest | same choice | mean IoU of all masks | median |")
    print("|---|---|---|---|---|---|---|")
    for name, values in rows.items():
        answers = [value for is_answer, _, value in values if is_answer]
        same = np.mean([same for is_answer, same, _ in values if is_answer])
        every_mask = [value for _, _, value in values]
        print(
            f"| {name} | {len(answers)} | {np.mean(answers):.5f} | {min(answers):.3f} | {same:.0%} "
            f"| {np.mean(every_mask):.5f} | {np.median(every_mask):.5f} |"
        )


if __name__ == "__main__":
    main()
