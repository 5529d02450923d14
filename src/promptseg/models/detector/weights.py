"""The tensors of the detector, ready for an engine. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.errors import WeightsError
from promptseg.models.graphs.stored import complete_model, graph_manifest
from promptseg.models.registry import packaged
from promptseg.models.tensors import read_given_safetensors, read_safetensors

NAME = "detector"
"""The network's name in the manifest of graphs, and that of its one graph."""
FILE = "nanodet.safetensors"


@dataclass(frozen=True, eq=False)
class DetectorNetwork:
    """The tensors of the detector by name, and its graph.

    Attributes:
        tensors: float16 or float32.
    """

    tensors: Mapping[str, npt.NDArray[Any]] = field(repr=False)

    @classmethod
    def load(cls, weights: str | Path | None = None) -> "DetectorNetwork":
        """Loads the embedded weights, or those of another training run.

        Raises:
            WeightsError: the file is missing, damaged, or of another architecture.
        """
        network = cls(read_safetensors(packaged(FILE)) if weights is None else read_given_safetensors(weights))
        for name, shape in graph_manifest()["models"][NAME][NAME]["shapes"].items():
            found = list(network.tensors[name].shape) if name in network.tensors else None
            if found != shape:
                raise WeightsError(f"The tensor {name!r} of the detector should have shape {shape}, found {found}.")
        return network

    def model(self, graph: str) -> bytes:
        """Returns the complete ONNX model."""
        tensors = {name: tensor.astype(np.float32) for name, tensor in self.tensors.items()}
        return complete_model(NAME, graph, tensors)
