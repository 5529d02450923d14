"""The tensors of seem-tiny, from the two files of the package or of a caller, ready for an engine. Needs no torch."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.errors import WeightsError
from promptseg.models.graphs.stored import complete_model, graph_manifest
from promptseg.models.int8 import SCALE, from_int8
from promptseg.models.registry import packaged
from promptseg.models.tensors import read_given_safetensors, read_safetensors

PIXELS, SENTENCES = "seem_tiny.safetensors", "minilm.safetensors"
"""What was trained here, and the sentence encoder, which is as its authors trained it but in int8."""

GRAPHS = ("see", "name", "read")

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class TinyNetwork:
    """The tensors of seem-tiny by name, and its graphs.

    Attributes:
        tensors: float16 or float32 numbers, and int8 matrices with their scales.
    """

    tensors: Tensors = field(repr=False)
    name: str = "seem-tiny"

    @classmethod
    def load(cls, weights: str | Path | None = None) -> "TinyNetwork":
        """Loads the embedded weights, or those of another training run beside the embedded sentence encoder.

        Raises:
            WeightsError: a file is missing, damaged, or of another architecture.
        """
        pixels = read_safetensors(packaged(PIXELS)) if weights is None else read_given_safetensors(weights)
        network = cls({**pixels, **_sentences()})
        network.check()
        return network

    @classmethod
    def load_sentences(cls) -> "TinyNetwork":
        """Loads the embedded sentence encoder alone, under the names that it has by itself.

        Raises:
            WeightsError: the file is missing or damaged.
        """
        return cls(read_safetensors(packaged(SENTENCES)))

    def check(self) -> None:
        """Compares names and shapes with what the graphs read.

        Raises:
            WeightsError: a tensor is missing or has another shape.
        """
        for graph in GRAPHS:
            for name, shape in graph_manifest()["models"][self.name][graph]["shapes"].items():
                if name not in self.tensors:
                    raise WeightsError(f"The weights of seem-tiny lack the tensor {name!r}.")
                found = list(self.tensors[name].shape)
                if found != shape:
                    raise WeightsError(f"The tensor {name!r} of seem-tiny has shape {found}, expected {shape}.")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the tensors: names and numbers."""
        digest = hashlib.sha256()
        for name in sorted(self.tensors):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self.tensors[name]).tobytes())
        return digest.hexdigest()

    def model(self, graph: str) -> bytes:
        """Returns a complete ONNX model: "see", "name" or "read"."""
        needed = graph_manifest()["models"][self.name][graph]["tensors"]
        return complete_model(self.name, graph, {name: self.tensor(name) for name in needed})

    def tensor(self, name: str) -> npt.NDArray[Any]:
        """Returns a tensor as float32, or as it is stored if it is no int8 matrix."""
        stored = self.tensors[name]
        if stored.dtype != np.int8:
            return stored
        return from_int8(stored, self.tensors[name + SCALE])

    def number(self, name: str) -> float:
        """Returns a tensor that is one number."""
        return float(np.asarray(self.tensors[name], np.float32))


@cache
def _sentences() -> Tensors:
    return {f"sentence.{name}": tensor for name, tensor in read_safetensors(packaged(SENTENCES)).items()}
