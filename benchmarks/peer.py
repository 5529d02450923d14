"""The official predictor of mobilesam-mirror in a process of its own: what our scripts start, and how they talk to it.

Its environment needs torch, torchvision, timm, safetensors and mobilesam-mirror==1.0.0 (fastapi and uvicorn to serve);
nothing of promptseg is imported there. Speed per picture and click, and memory, need none of this:
`promptseg evaluate latency DEV/coco --peer mobilesam-mirror --peer-python ENV/bin/python --peer-weights WEIGHTS`.

    ENV/bin/python benchmarks/peer.py records WEIGHTS THREADS              # automatic masks, a job per line
    ENV/bin/python benchmarks/peer.py once WEIGHTS PICTURE X Y MASK.png    # load, one click, one mask (cold_start.py)
    ENV/bin/python benchmarks/peer.py serve WEIGHTS PORT                   # a plain web server (server_load.py)
"""

import argparse
import base64
import hashlib
import io
import json
import resource
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / "src/promptseg/models/weights/mobile_sam.safetensors"
"""The same weights for both sides."""


def add_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Adds what every comparison with the peer asks for."""
    parser.add_argument("--peer-python", required=required, help="Python with mobilesam-mirror")
    parser.add_argument("--threads", type=int, default=2)


def command(python: str, mode: str, *arguments: object) -> list[str]:
    """Returns how the peer is started."""
    return [python, str(HERE / "peer.py"), mode, str(WEIGHTS), *map(str, arguments)]


class Contestant:
    """A process that segments everything in a picture: jobs on its stdin, answered by `answer_jobs`."""

    def __init__(self, name: str, started_as: list[str], folder: Path) -> None:
        self.name, self._folder, self._count = name, folder, 0
        self._process = subprocess.Popen(started_as, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, picture: Path, **options: object) -> dict[str, Any]:
        """Returns seconds, peak bytes and records of one job."""
        self._count += 1
        output = self._folder / f"{self.name}_{self._count}.json"
        assert self._process.stdin
        assert self._process.stdout
        job = {"picture": str(picture), "output": str(output), "options": options}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise SystemExit(f"{self.name} ended early; see its error above.")
        return json.loads(output.read_text())

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def answer_jobs(segment: Callable[[str, dict[str, Any]], tuple[float, list[dict[str, Any]]]]) -> None:
    """Answers jobs until stdin ends; `segment` returns seconds and records in COCO's uncompressed run lengths."""
    for line in sys.stdin:
        job = json.loads(line)
        seconds, records = segment(job["picture"], job["options"])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        content = {"seconds": seconds, "peak_bytes": peak, "records": records}
        Path(job["output"]).write_text(json.dumps(content), encoding="utf-8")
        print(len(records), flush=True)


def load(weights: str) -> Any:
    """Builds the peer's network in float32."""
    warnings.simplefilter("ignore")
    from mobile_sam import sam_model_registry
    from safetensors.torch import load_file

    model = sam_model_registry["vit_t"](checkpoint=None)
    tensors = load_file(weights).items()
    model.load_state_dict({name: each.float() if each.is_floating_point() else each for name, each in tensors})
    return model.eval()  # after loading: the attention biases are cached by eval()


def pixels_of(file: Any) -> Any:
    """Reads a picture."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.open(file).convert("RGB"))


def records(weights: str, threads: str) -> None:
    """Answers jobs with the official generator's own records."""
    import torch

    torch.set_num_threads(int(threads))
    model = load(weights)
    from mobile_sam import SamAutomaticMaskGenerator

    def segment(picture: str, options: dict[str, Any]) -> tuple[float, list[dict[str, Any]]]:
        pixels = pixels_of(picture)
        generator = SamAutomaticMaskGenerator(model, output_mode="uncompressed_rle", **options)
        began = time.perf_counter()
        found = generator.generate(pixels)
        return time.perf_counter() - began, found

    answer_jobs(segment)


def clicked(predictor: Any, x: float, y: float) -> tuple[float, bytes]:
    """Returns score and PNG of the best of three masks for a click."""
    import numpy as np
    from PIL import Image

    masks, scores, _ = predictor.predict(np.array([[x, y]]), np.array([1]), multimask_output=True)
    best, file = int(scores.argmax()), io.BytesIO()
    Image.fromarray(masks[best].astype(np.uint8) * 255).save(file, "PNG", compress_level=1)
    return float(scores[best]), file.getvalue()


def once(weights: str, picture: str, x: str, y: str, output: str) -> None:
    """Loads, takes one click on one picture, writes the mask."""
    from mobile_sam import SamPredictor

    predictor = SamPredictor(load(weights))
    predictor.set_image(pixels_of(picture))
    Path(output).write_bytes(clicked(predictor, float(x), float(y))[1])


def serve(weights: str, port: str) -> None:
    """Serves as one would write it first; features are kept, so that further clicks do not encode a picture again."""
    import torch
    import uvicorn
    from fastapi import FastAPI, Request
    from mobile_sam import SamPredictor
    from starlette.concurrency import run_in_threadpool

    torch.set_grad_enabled(False)
    predictor, lock = SamPredictor(load(weights)), threading.Lock()
    known: dict[str, tuple[Any, Any, Any]] = {}
    app = FastAPI()

    def embed(content: bytes) -> dict[str, Any]:
        pixels, image = pixels_of(io.BytesIO(content)), hashlib.sha256(content).hexdigest()
        with lock:
            predictor.set_image(pixels)
            known[image] = (predictor.features, predictor.original_size, predictor.input_size)
        return {"id": image, "width": pixels.shape[1], "height": pixels.shape[0]}

    @app.post("/v1/images")
    async def upload(request: Request) -> dict[str, Any]:
        return await run_in_threadpool(embed, await request.body())

    @app.post("/v1/images/{image}/segment")
    def segment(image: str, body: dict[str, Any]) -> dict[str, Any]:
        (prompt,) = body["prompts"]
        with lock:
            predictor.features, predictor.original_size, predictor.input_size = known[image]
            predictor.is_image_set = True
            score, png = clicked(predictor, prompt["x"], prompt["y"])
        return {"score": score, "png": base64.b64encode(png).decode()}

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")


def commit() -> str:
    """Returns the short name of the commit that is measured."""
    git = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(git, capture_output=True, text=True, cwd=HERE, check=False).stdout.strip()


if __name__ == "__main__":
    {"records": records, "once": once, "serve": serve}[sys.argv[1]](*sys.argv[2:])
