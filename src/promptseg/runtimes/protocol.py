"""What the floors above ask of an inference engine: encode a picture, decode prompts, try clicks. Nothing else.

Shapes: I pictures, B objects, N prompt tokens; the model frame is 1024 x 1024, its embedding 64 x 64, masks 256 x 256.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, Float64
from promptseg.geometry import LABEL_PAD, LABEL_POSITIVE, Size
from promptseg.runtimes.scout import ScoutAnswer, ScoutView


@dataclass(frozen=True, slots=True, eq=False)
class DecoderInputs:
    """Prompt tokens of B objects on one picture.

    Attributes:
        points: (B, N, 2) x, y in pixels of the resized 1024 frame, without the half-pixel shift.
        labels: (B, N) int: 1 positive, 0 negative, 2 and 3 box corners, -1 pad, -2 absent.
        mask_logits: (B, 1, 256, 256) logits of a mask prompt, or None when no object has one.
    """

    points: Float32
    labels: npt.NDArray[np.int64]
    mask_logits: Float32 | None = None

    @classmethod
    def clicks(cls, points: Float64) -> "DecoderInputs":
        """Makes the tokens of one positive click for each object, (B, 2) in the resized frame."""
        places = np.zeros((len(points), 2, 2), np.float32)
        places[:, 0] = points
        return cls(places, np.tile(np.array([LABEL_POSITIVE, LABEL_PAD], np.int64), (len(points), 1)))


@dataclass(frozen=True, slots=True, eq=False)
class DecoderOutputs:
    """All four mask tokens of B objects: 0 is the single-mask output, 1 to 3 the ambiguity-aware ones.

    Attributes:
        logits: (B, 4, 256, 256) mask logits over the padded model frame.
        scores: (B, 4) predicted IoU; a regression, so it may exceed 1.
    """

    logits: Float32
    scores: Float32


class Runtime(Protocol):
    """One engine with one model loaded. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """The engine, as in `runtimes.table`."""
        ...

    @property
    def precision(self) -> str:
        """The arithmetic: "float32", "bfloat16" or "float16"."""
        ...

    @property
    def threads(self) -> int:
        """How many threads compute; callers of `scout` may be as many at a time."""
        ...

    def encode(self, image: Float32) -> Float32:
        """Embeds normalised, padded pictures (I, 3, 1024, 1024) as (I, 256, 64, 64)."""
        ...

    def decode(self, embedding: Float32, inputs: DecoderInputs, *, official: bool = False) -> DecoderOutputs:
        """Decodes prompts on the embedding (1, 256, 64, 64) of one picture.

        `official` asks the checkpoint's own decoder where the model has another one for prompts.
        """
        ...

    def view(self, embedding: Float32, resized: Size) -> ScoutView:
        """Prepares the embedding (1, 256, 64, 64) of a picture of this size in the model's frame for `scout`."""
        ...

    def scout(self, view: ScoutView, point: Float32, worth: float) -> ScoutAnswer:
        """Tries one click (2,) in the 1024 frame; draws its masks only if a predicted IoU is above `worth`.

        Each call computes in one thread: call it from several.
        """
        ...


class GraphSource(Protocol):
    """What holds named graphs."""

    def model(self, graph: str) -> bytes:
        """Returns a complete ONNX model."""
        ...


class Graphs(Protocol):
    """An engine that runs named graphs."""

    def run(self, graph: str, feeds: dict[str, Any]) -> list[Float32]:
        """Runs one graph."""
        ...
