"""One contestant in its own process: reads a job per line on stdin, does it, answers with seconds. Used by peer.py.

python worker.py ours RUNTIME | peer CHECKPOINT
"""

import json
import sys
import time
import warnings


def ours(runtime: str, threads: int):
    """Our segmenter; the picture is decoded once, as the peer takes an array."""
    from promptseg import Image, Point, Segmenter

    segmenter = Segmenter(runtime=runtime, threads=threads)
    state: dict = {}

    def embed(path: str) -> None:
        if path not in state:
            state[path] = Image.open(path)
        began = time.perf_counter()
        state["embedded"] = segmenter.embed(state[path])
        return time.perf_counter() - began

    def prompt(x: float, y: float) -> float:
        began = time.perf_counter()
        segmenter.segment(state["embedded"], Point(x, y)).dense()
        return time.perf_counter() - began

    return embed, prompt, lambda: f"promptseg {segmenter!r}"


def peer(checkpoint: str, threads: int):
    """The official predictor of mobilesam-mirror."""
    import numpy as np
    import torch
    from mobile_sam import SamPredictor, sam_model_registry
    from PIL import Image

    torch.set_num_threads(threads)
    model = sam_model_registry["vit_t"](checkpoint=checkpoint)
    model.eval()
    predictor = SamPredictor(model)
    pictures: dict = {}

    def embed(path: str) -> float:
        if path not in pictures:
            pictures[path] = np.asarray(Image.open(path).convert("RGB"))
        began = time.perf_counter()
        predictor.set_image(pictures[path])
        return time.perf_counter() - began

    def prompt(x: float, y: float) -> float:
        began = time.perf_counter()
        masks, scores, _ = predictor.predict(np.array([[x, y]]), np.array([1]), multimask_output=True)
        _ = masks[int(scores.argmax())]
        return time.perf_counter() - began

    return embed, prompt, lambda: f"mobilesam-mirror, torch {torch.__version__}"


def main() -> None:
    """Answers jobs until stdin ends."""
    warnings.simplefilter("ignore")
    kind, argument, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    embed, prompt, name = {"ours": ours, "peer": peer}[kind](argument, threads)
    for line in sys.stdin:
        job = json.loads(line)
        if job[0] == "embed":
            answer = embed(job[1])
        elif job[0] == "prompt":
            answer = prompt(*job[1:])
        else:
            answer = name()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
