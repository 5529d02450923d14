"""The peer of server_load.py: the official predictor behind a plain FastAPI application, as one would write it first.

    /opt/peer/bin/python benchmarks/peer_server.py CHECKPOINT PORT

Features of a picture are kept, so that further clicks on it do not encode it again. Needs mobilesam-mirror, torch,
torchvision, fastapi and uvicorn.
"""

import base64
import hashlib
import io
import sys
import threading
from typing import Any

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request
from mobile_sam import SamPredictor, sam_model_registry
from PIL import Image


def make_app(checkpoint: str) -> FastAPI:
    """Makes the application."""
    torch.set_grad_enabled(False)
    predictor = SamPredictor(sam_model_registry["vit_t"](checkpoint=checkpoint).eval())
    lock = threading.Lock()
    known: dict[str, tuple[Any, Any, Any]] = {}
    app = FastAPI()

    def embed(content: bytes) -> dict[str, Any]:
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        image = hashlib.sha256(content).hexdigest()
        with lock:
            predictor.set_image(pixels)
            known[image] = (predictor.features, predictor.original_size, predictor.input_size)
        return {"id": image, "width": pixels.shape[1], "height": pixels.shape[0]}

    def predict(image: str, x: float, y: float) -> dict[str, Any]:
        with lock:
            predictor.features, predictor.original_size, predictor.input_size = known[image]
            predictor.is_image_set = True
            masks, scores, _ = predictor.predict(np.array([[x, y]]), np.array([1]), multimask_output=True)
        best = int(scores.argmax())
        file = io.BytesIO()
        Image.fromarray(masks[best].astype(np.uint8) * 255).save(file, "PNG", compress_level=1)
        return {"score": float(scores[best]), "png": base64.b64encode(file.getvalue()).decode()}

    @app.post("/v1/images")
    async def upload(request: Request) -> dict[str, Any]:
        from starlette.concurrency import run_in_threadpool

        return await run_in_threadpool(embed, await request.body())

    @app.post("/v1/images/{image}/segment")
    def segment(image: str, body: dict[str, Any]) -> dict[str, Any]:
        (prompt,) = body["prompts"]
        return predict(image, prompt["x"], prompt["y"])

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
