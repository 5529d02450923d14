"""A peer's program: `segment_anything`, `mobile_sam` or OpenCV's GrabCut, answering JSON lines.

It runs in the peer's own environment and imports nothing of promptseg:

    python program.py sam MODULE MODEL CHECKPOINT
    python program.py grabcut

One JSON object comes in per line, one goes out per line (docs/evaluate.md describes them). Whatever the peer prints
goes to the error stream.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

PROTOCOL = 1


class SamPeer:
    """The official predictor and automatic mask generator, used as their notebooks use them.

    Args:
        module: "segment_anything" or "mobile_sam".
        model: the name in the package's registry, such as "vit_b" or "vit_t".
        checkpoint: the .pth or .pt file, or safetensors.
        threads: computing threads.
    """

    abilities = ("click", "point", "boxes", "everything")

    def __init__(self, module: str, model: str, checkpoint: str, threads: int) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._torch.set_num_threads(threads)
        self._package: Any = importlib.import_module(module)
        registry = self._package.sam_model_registry
        if checkpoint.endswith(".safetensors"):
            tensors = importlib.import_module("safetensors.torch").load_file(checkpoint)
            self._model = registry[model](checkpoint=None)
            wide = {name: each.float() if each.is_floating_point() else each for name, each in tensors.items()}
            self._model.load_state_dict(wide)
        else:
            self._model = registry[model](checkpoint=checkpoint)
        self._model.eval()
        self._predictor = self._package.SamPredictor(self._model)
        self._pixels: Any = None
        self._embedded = False
        self._clicks: list[tuple[float, float, bool]] = []
        self._logits: Any = None
        self.name = {"segment_anything": "segment-anything", "mobile_sam": "mobilesam-mirror"}.get(module, module)
        version = getattr(self._torch, "__version__", "")
        self.settings = f"{model}, torch {version}, {os.path.basename(checkpoint)}"

    def picture(self, pixels: Any) -> None:
        """Takes a picture; it is embedded when the first prompt needs it, or right away below."""
        self._pixels = pixels
        with self._torch.inference_mode():
            self._predictor.set_image(pixels)

    def begin(self) -> None:
        """Forgets the clicks."""
        self._clicks, self._logits = [], None

    def click(self, x: float, y: float, positive: bool) -> tuple[Any, Any]:
        """All clicks so far, the logits of the mask before, one mask after the first click."""
        self._clicks.append((x, y, positive))
        first = len(self._clicks) == 1
        masks, scores, logits = self._predict(
            point_coords=_array([(each[0], each[1]) for each in self._clicks]),
            point_labels=_array([int(each[2]) for each in self._clicks]),
            mask_input=self._logits,
            multimask_output=first,
        )
        best = int(scores.argmax())
        self._logits = logits[best : best + 1]
        return masks[best : best + 1], scores[best : best + 1]

    def point(self, x: float, y: float) -> tuple[Any, Any]:
        """The best-scored of three masks, then all three."""
        masks, scores, _ = self._predict(point_coords=_array([(x, y)]), point_labels=_array([1]), multimask_output=True)
        order = [int(scores.argmax()), 0, 1, 2]
        return masks[order], scores[order]

    def boxes(self, boxes: list[list[float]]) -> tuple[Any, Any]:
        """One mask per box."""
        numpy: Any = importlib.import_module("numpy")
        found = [self._predict(box=numpy.array(box), multimask_output=False) for box in boxes]
        return numpy.concatenate([each[0] for each in found]), numpy.concatenate([each[1] for each in found])

    def everything(self) -> tuple[Any, Any]:
        """The automatic generator with its defaults, best first."""
        numpy: Any = importlib.import_module("numpy")
        with self._torch.inference_mode():
            records = self._package.SamAutomaticMaskGenerator(self._model).generate(self._pixels)
        scores = numpy.array([(each["predicted_iou"] + each["stability_score"]) / 2 for each in records])
        order = numpy.argsort(-scores, kind="stable")
        masks = numpy.array([records[place]["segmentation"] for place in order], bool)
        return masks.reshape(-1, *self._pixels.shape[:2]), scores[order]

    def _predict(self, **prompts: Any) -> Any:
        with self._torch.inference_mode():
            return self._predictor.predict(**prompts)


class GrabCutPeer:
    """OpenCV's GrabCut: a box starts it, clicks correct it by small discs that surely belong or do not.

    A first click without a box starts from a square around it that is a third of the picture wide and probably belongs.
    """

    abilities = ("click", "boxes")
    name = "OpenCV GrabCut"
    rounds = 5

    def __init__(self, threads: int) -> None:
        self._cv: Any = importlib.import_module("cv2")
        self._numpy: Any = importlib.import_module("numpy")
        self._cv.setNumThreads(threads)
        self.settings = f"OpenCV {self._cv.__version__}, {self.rounds} iterations"
        self._pixels: Any = None
        self._labels: Any = None
        self._models: Any = None

    def picture(self, pixels: Any) -> None:
        """Takes a picture."""
        self._pixels = self._numpy.ascontiguousarray(pixels[..., ::-1])  # OpenCV's order

    def begin(self) -> None:
        """Forgets the clicks."""
        self._labels = None

    def click(self, x: float, y: float, positive: bool) -> tuple[Any, Any]:
        """Marks a disc around the click and cuts anew."""
        height, width = self._pixels.shape[:2]
        if self._labels is None:
            self._labels = self._numpy.full((height, width), self._cv.GC_PR_BGD, self._numpy.uint8)
            half = max(height, width) // 6
            self._labels[max(0, int(y) - half) : int(y) + half + 1, max(0, int(x) - half) : int(x) + half + 1] = (
                self._cv.GC_PR_FGD
            )
        radius = max(2, round(0.01 * max(height, width)))
        sure = self._cv.GC_FGD if positive else self._cv.GC_BGD
        self._cv.circle(self._labels, (int(x), int(y)), radius, int(sure), -1)
        self._cut()
        return self._mask(), [1.0]

    def boxes(self, boxes: list[list[float]]) -> tuple[Any, Any]:
        """One mask per box."""
        height, width = self._pixels.shape[:2]
        masks: list[Any] = []
        for x0, y0, x1, y1 in boxes:
            self._labels = self._numpy.full((height, width), self._cv.GC_BGD, self._numpy.uint8)
            left, top = max(0, int(x0)), max(0, int(y0))
            self._labels[top : max(top + 1, round(y1)), left : max(left + 1, round(x1))] = self._cv.GC_PR_FGD
            self._cut()
            masks.append(self._mask()[0])
        self._labels = None
        return self._numpy.stack(masks), [1.0] * len(masks)

    def _cut(self) -> None:
        background, foreground = (self._numpy.zeros((1, 65)) for _ in range(2))
        inside = self._numpy.isin(self._labels, (self._cv.GC_FGD, self._cv.GC_PR_FGD))
        if inside.any() and not inside.all():  # else there is nothing to tell apart
            self._cv.setRNGSeed(0)
            self._cv.grabCut(
                self._pixels, self._labels, None, background, foreground, self.rounds, self._cv.GC_INIT_WITH_MASK
            )

    def _mask(self) -> Any:
        return self._numpy.isin(self._labels, (self._cv.GC_FGD, self._cv.GC_PR_FGD))[None]


class Program:
    """Answers requests for one peer.

    Args:
        make: makes the peer, given the number of threads.
    """

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make
        self._peer: Any = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Returns the answer to one request."""
        operation = request.get("op")
        if operation == "hello":
            self._peer = self._make(int(request.get("threads", 1)))
            peer = self._peer
            return {
                "protocol": PROTOCOL,
                "name": peer.name,
                "settings": peer.settings,
                "abilities": list(peer.abilities),
            }
        calls: dict[str, Callable[[], Any]] = {
            "picture": lambda: self._peer.picture(_read(request["path"])),
            "begin": lambda: self._peer.begin(),
            "click": lambda: self._peer.click(request["x"], request["y"], request["positive"]),
            "point": lambda: self._peer.point(request["x"], request["y"]),
            "boxes": lambda: self._peer.boxes(request["boxes"]),
            "everything": lambda: self._peer.everything(),
        }
        if operation not in calls:
            return {"error": f"unknown request {operation!r}"}
        began = time.perf_counter()
        found = calls[operation]()
        answer: dict[str, Any] = {"seconds": time.perf_counter() - began, "peak_bytes": peak_bytes()}
        if found is not None:
            masks, scores = found
            answer["masks"] = [_runs(mask) for mask in masks]
            answer["scores"] = [float(score) for score in scores]
        return answer


def peak_bytes() -> int | None:
    """Returns the most memory that this process had in use, where the system says it."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _read(path: str) -> Any:
    numpy: Any = importlib.import_module("numpy")
    pillow: Any = importlib.import_module("PIL.Image")
    with pillow.open(path) as picture:
        return numpy.asarray(picture.convert("RGB"))


def _array(values: list[Any]) -> Any:
    return importlib.import_module("numpy").array(values)


def _runs(mask: Any) -> dict[str, Any]:
    """Returns run lengths, column by column, beginning with zeros: COCO's plain form."""
    numpy: Any = importlib.import_module("numpy")
    flat = numpy.asarray(mask, bool).ravel(order="F")
    edges = numpy.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = numpy.diff(numpy.concatenate([[0], edges, [len(flat)]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def serve(answer_to: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answers lines until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever is printed must not come between the answers
    for line in sys.stdin:
        try:
            answer = answer_to(json.loads(line))
        except Exception as error:  # the other side shows it; a traceback goes to the error stream
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    """Runs the program."""
    kind, *rest = sys.argv[1:]
    if kind == "sam":
        module, model, checkpoint = rest
        serve(Program(lambda threads: SamPeer(module, model, checkpoint, threads)).answer)
    elif kind == "grabcut":
        serve(Program(GrabCutPeer).answer)
    else:
        sys.exit(f"unknown peer {kind!r}: expected sam or grabcut")


if __name__ == "__main__":
    main()
