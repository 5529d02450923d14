"""Traces the detector into a weightless ONNX graph."""

import torch
from torch import Tensor

from promptseg.export.weightless import TracedGraph, trace_part
from promptseg.models.detector.config import MULTIPLE
from promptseg.models.detector.network import NanoDet

OUTPUTS = ("fine", "middle", "coarse")


def detector_inputs(rows: int = 10, columns: int = 13, seed: int = 0) -> dict[str, Tensor]:
    """Returns an input of so many cells of the coarsest level."""
    generator = torch.Generator().manual_seed(seed)
    return {"image": torch.randn(1, 3, MULTIPLE * rows, MULTIPLE * columns, generator=generator)}


def trace_detector() -> TracedGraph:
    """Traces the graph, whose sides may be any multiples of 32."""
    network = NanoDet().eval()
    rows, columns = (torch.export.Dim(name, min=1, max=64) for name in ("rows", "columns"))
    sides = {2: MULTIPLE * rows, 3: MULTIPLE * columns}
    return trace_part(network, NanoDet.__call__, tuple(network.state_dict()), detector_inputs(), [sides], OUTPUTS)


def detector_shapes() -> dict[str, list[int]]:
    """Returns the shape of every tensor that the graph reads."""
    return {name: list(tensor.shape) for name, tensor in NanoDet().state_dict().items()}
