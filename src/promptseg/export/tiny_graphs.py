"""Traces seem-tiny into weightless ONNX graphs.

"see" turns a picture into pixel vectors, "name" cut-outs into region vectors, "read" phrases into class and name
vectors.
"""

from typing import Any

import torch
from torch import Tensor

from promptseg.export.weightless import TracedGraph, trace_part
from promptseg.models.seem_tiny.config import COARSE, NAME_SIDE, SIDE
from promptseg.models.seem_tiny.network import SeemTiny

_OUTPUTS = {"see": ["vectors"], "name": ["vectors"], "read": ["vectors", "leans", "names"]}


def tiny_inputs(graph: str, seed: int = 0) -> dict[str, Tensor]:
    """Returns inputs of the right shapes."""
    generator = torch.Generator().manual_seed(seed)
    if graph == "see":
        inside = torch.ones(1, 1, SIDE // COARSE, SIDE // COARSE)
        inside[..., 12:, :] = 0
        return {"image": torch.randn(1, 3, SIDE, SIDE, generator=generator), "inside": inside}
    if graph == "name":
        cells = NAME_SIDE // COARSE
        return {
            "image": torch.randn(1, 3, NAME_SIDE, NAME_SIDE, generator=generator),
            "picture": torch.ones(1, 1, cells, cells),
            "region": torch.rand(1, 1, cells, cells, generator=generator),
        }
    present = torch.ones(3, 9, dtype=torch.int64)
    present[1, 5:] = 0
    return {"ids": torch.randint(0, 30000, (3, 9), generator=generator), "present": present}


def trace_tiny(graph: str) -> TracedGraph:
    """Traces one graph: "see", "name" or "read"."""
    tiny = SeemTiny().eval()
    parts = {
        "see": ("backbone.", "head."),
        "name": ("backbone.", "namer."),
        "read": ("sentence.", "words.", "namer.words."),
    }[graph]
    names = tuple(name for name in tiny.state_dict() if name.startswith(parts))
    inputs = tiny_inputs(graph)
    dynamic: dict[int, Any] | None = None
    if graph == "read":
        dynamic = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}

    def part(network: SeemTiny, *values: Tensor) -> Any:
        return getattr(network, graph)(*values)

    return trace_part(tiny, part, names, inputs, [dynamic] * len(inputs), _OUTPUTS[graph])


def tiny_shapes(graph: str, traced: TracedGraph) -> dict[str, list[int]]:
    """Returns the shape of every tensor that a graph reads."""
    state = SeemTiny().state_dict()
    return {name: list(state[name].shape) for name in traced.tensors}
