"""Traces the retouching network into a weightless ONNX graph."""

from typing import Any

import torch
from torch import Tensor, nn

from promptseg.export.graphs import OPSET, TracedGraph, quiet, strip
from promptseg.models.companions.retouch import CELL, MAPS, PIXELS, STEP
from promptseg.models.companions.retouch_network import EMBEDDING, Retouch

ROWS, COLUMNS = 48, 80


class _Step(nn.Module):
    """The network as a function of its inputs, then of its tensors."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self._held = [Retouch().eval()]  # in a list, so that its parameters are not this module's
        self._names = names

    def forward(self, *values: Tensor) -> Any:
        count = len(values) - len(self._names)
        tensors = dict(zip(self._names, values[count:], strict=True))
        return torch.func.functional_call(self._held[0], tensors, values[:count])


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
    state = Retouch().state_dict()
    names, inputs = tuple(state), retouch_inputs()
    rows, columns = (torch.export.Dim(name, min=1, max=64) for name in ("rows", "columns"))
    grid = {2: STEP * rows, 3: STEP * columns}
    coarse = {2: STEP // CELL * rows, 3: STEP // CELL * columns}
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            _Step(names).eval(),
            (*inputs.values(), *state.values()),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=((grid, grid, coarse, *(None for _ in names)),),
            input_names=[*inputs, *names],
            output_names=["logits"],
            optimize=True,
            verbose=False,
        )
    return strip(program.model_proto, tuple(inputs), names)  # type: ignore[union-attr]


def retouch_shapes() -> dict[str, list[int]]:
    """Returns the shape of every tensor that the graph reads."""
    return {name: list(tensor.shape) for name, tensor in Retouch().state_dict().items()}
