"""Traces a part of a network into an ONNX graph without weights.

The tensors enter the trace as inputs under their own names, so nothing is folded into them; the graph that remains is
small, fits any weights of the architecture, and is filled by `models.graphs.assembly`.
"""

import contextlib
import logging
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from torch import Tensor, nn

OPSET = 20
"""The first operator set with LayerNormalization and Gelu as single operators, which every engine runs fused."""


@dataclass(frozen=True, slots=True)
class TracedGraph:
    """A graph without weights.

    Attributes:
        model: serialisable ONNX model.
        tensors: names of the tensors that its nodes read.
    """

    model: "onnx.ModelProto"
    tensors: tuple[str, ...]


class _Call(nn.Module):
    def __init__(self, network: nn.Module, part: Callable[..., Any]) -> None:
        super().__init__()
        self.network, self._part = network, part

    def forward(self, *inputs: Tensor) -> Any:
        return self._part(self.network, *inputs)


class _Step(nn.Module):
    """A part of a network as a function of its inputs, then of the tensors that it may read."""

    def __init__(self, call: _Call, names: tuple[str, ...]) -> None:
        super().__init__()
        self._held = [call]  # in a list, so that its parameters are not this module's
        self._names = names

    def forward(self, *values: Tensor) -> Any:
        count = len(values) - len(self._names)
        tensors = {f"network.{name}": value for name, value in zip(self._names, values[count:], strict=True)}
        return torch.func.functional_call(self._held[0], tensors, values[:count])


def trace_part(
    network: nn.Module,
    part: Callable[..., Any],
    names: tuple[str, ...],
    inputs: Mapping[str, Tensor],
    shapes: Sequence[dict[int, Any] | None],
    outputs: Sequence[str],
) -> TracedGraph:
    """Traces a part of a network.

    Args:
        network: holds the tensors.
        part: called with the network and the inputs.
        names: the tensors that it may read.
        inputs: by name, of the right shapes.
        shapes: of each input the axes that may have other lengths.
        outputs: their names.
    """
    state = network.state_dict()
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            _Step(_Call(network, part), names).eval(),
            (*inputs.values(), *(state[name] for name in names)),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=((*shapes, *(None for _ in names)),),
            input_names=[*inputs, *names],
            output_names=list(outputs),
            optimize=True,
            verbose=False,
        )
    model: onnx.ModelProto = program.model_proto  # type: ignore[union-attr]
    return _strip(model, tuple(inputs), names)


def _strip(model: "onnx.ModelProto", inputs: tuple[str, ...], names: tuple[str, ...]) -> TracedGraph:
    """Takes the weights out of the declared inputs, and everything that only serves to debug the exporter."""
    used = {name for node in model.graph.node for name in node.input}
    kept = [value for value in model.graph.input if value.name in inputs]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    del model.graph.value_info[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.initializer, *model.graph.output, *model.graph.input):
        del value.metadata_props[:]
    return TracedGraph(model, tuple(name for name in names if name in used))


def declared(model: "onnx.ModelProto") -> dict[str, Any]:
    """Describes the inputs, outputs and operator set of a graph, for the manifest."""

    def shapes(values: Any) -> dict[str, list[int | str]]:
        return {v.name: [d.dim_value or d.dim_param for d in v.type.tensor_type.shape.dim] for v in values}

    return {
        "opset": model.opset_import[0].version,
        "inputs": shapes(model.graph.input),
        "outputs": shapes(model.graph.output),
    }


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Silences the exporter, whose warnings speak of its own workings."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
