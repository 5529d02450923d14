"""Traces the retouching network into a weightless ONNX graph."""

import torch
from torch import Tensor

from promptseg.export.weightless import TracedGraph, trace_part
from promptseg.models.companions.retouch import CELL, MAPS, PIXELS, STEP
from promptseg.models.companions.retouch_network import EMBEDDING, Retouch

ROWS, COLUMNS = 48, 80


def retouch_inputs(rows: int = ROWS, columns: int = COLUMNS, seed: int = 0) -> dict[str, Tensor]:
    """Returns inputs of the right shapes."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "pixels": torch.randn(1, PIXELS, rows, columns, generator=generator),
        "maps": torch.randn(1, MAPS, rows, columns, generator=generator),
        "embedding": torch.randn(1, EMBEDDING, rows // CELL, columns // CELL, generator=generator) * 0.1,
    }


def trace_retouch() -> TracedGraph:
    """Traces the graph, whose windows may be of any multiple of 16 cells."""
    network = Retouch().eval()
    rows, columns = (torch.export.Dim(name, min=1, max=64) for name in ("rows", "columns"))
    grid = {2: STEP * rows, 3: STEP * columns}
    coarse = {2: STEP // CELL * rows, 3: STEP // CELL * columns}
    names = tuple(network.state_dict())
    return trace_part(network, Retouch.__call__, names, retouch_inputs(), [grid, grid, coarse], ["logits"])


def retouch_shapes() -> dict[str, list[int]]:
    """Returns the shape of every tensor that the graph reads."""
    return {name: list(tensor.shape) for name, tensor in Retouch().state_dict().items()}
