"""Traces seem-tiny into weightless ONNX graphs.

"see" turns a picture into pixel vectors, "name" cut-outs into region vectors, "read" phrases into class and name
vectors.
"""

from typing import Any

import torch
from torch import Tensor, nn

from promptseg.export.graphs import OPSET, TracedGraph, quiet, strip
from promptseg.models.seem_tiny.config import COARSE, NAME_SIDE, SIDE
from promptseg.models.seem_tiny.network import SeemTiny

_OUTPUTS = {"see": ["vectors"], "name": ["vectors"], "read": ["vectors", "leans", "names"]}


class _Step(nn.Module):
    """One half of the network as a function of its inputs, then of its tensors."""

    def __init__(self, graph: str, names: tuple[str, ...]) -> None:
        super().__init__()
        self._held = [_Call(graph)]  # in a list, so that its parameters are not this module's
        self._names = names

    def forward(self, *values: Tensor) -> Any:
        count = len(values) - len(self._names)
        tensors = {f"tiny.{name}": value for name, value in zip(self._names, values[count:], strict=True)}
        return torch.func.functional_call(self._held[0], tensors, values[:count])


class _Call(nn.Module):
    def __init__(self, graph: str) -> None:
        super().__init__()
        self.tiny, self._graph = SeemTiny().eval(), graph

    def forward(self, *inputs: Tensor) -> Any:
        return getattr(self.tiny, self._graph)(*inputs)


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
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            _Step(graph, names).eval(),
            (*inputs.values(), *(tiny.state_dict()[name] for name in names)),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=((*(dynamic for _ in inputs), *(None for _ in names)),),
            input_names=[*inputs, *names],
            output_names=_OUTPUTS[graph],
            optimize=True,
            verbose=False,
        )
    return strip(program.model_proto, tuple(inputs), names)  # type: ignore[union-attr]


def tiny_shapes(graph: str, traced: TracedGraph) -> dict[str, list[int]]:
    """Returns the shape of every tensor that a graph reads."""
    state = SeemTiny().state_dict()
    return {name: list(state[name].shape) for name in traced.tensors}
