"""Traces the networks into weightless ONNX graphs.

The tensors of the checkpoint enter the trace as inputs under their official names, so nothing is folded into them;
the graph that remains is small, fits any checkpoint of the architecture, and is filled by `graphs.assembly`.
"""

import contextlib
import logging
import math
import warnings
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.network import GRAPHS
from promptseg.models.sam import scout
from promptseg.models.sam.sam import Sam, build_sam

OPSET = 20
"""The first operator set with LayerNormalization and Gelu as single operators, which every engine runs fused."""

SIDE, GRID, CHANNELS = 1024, 64, 256

SCOUT = ("look", "paint", "view", "sketch")
"""The graphs of `models.sam.scout`."""


@dataclass(frozen=True, slots=True)
class TracedGraph:
    """A graph without weights.

    Attributes:
        model: serialisable ONNX model.
        tensors: official names of the tensors that its nodes read.
    """

    model: "onnx.ModelProto"
    tensors: tuple[str, ...]


class _Step(nn.Module):
    """One step of SAM as a function of the step's inputs, then of the tensors of the checkpoint."""

    def __init__(self, sam: Sam, graph: str, names: tuple[str, ...]) -> None:
        super().__init__()
        self._held = [sam]  # in a list, so that its parameters are not this module's
        self._graph, self._names = graph, names

    def forward(self, *values: Tensor) -> Any:
        count = len(values) - len(self._names)
        tensors = dict(zip(self._names, values[count:], strict=True))
        call = _Call(self._held[0], self._graph)
        return torch.func.functional_call(call, {f"sam.{k}": v for k, v in tensors.items()}, values[:count])


class _Call(nn.Module):
    def __init__(self, sam: Sam, graph: str) -> None:
        super().__init__()
        self.sam, self._graph = sam, graph

    def forward(self, *inputs: Tensor) -> Any:
        if self._graph == "encoder":
            return self.sam.image_encoder(*inputs)
        if self._graph in SCOUT:
            return getattr(scout, self._graph)(self.sam, *inputs)
        embedding, points, labels, *mask = inputs
        return self.sam.predict_masks(embedding, points, labels, mask[0] if mask else None)


def example_inputs(graph: str, objects: int = 2, seed: int = 0) -> dict[str, "Tensor"]:
    """Returns inputs of the right shapes: prompts of every label in the decoders."""
    generator = torch.Generator().manual_seed(seed)
    if graph == "encoder":
        return {"image": torch.randn(1, 3, SIDE, SIDE, generator=generator)}
    if graph in SCOUT:
        return _scout_inputs(graph, objects, generator)
    labels = torch.tensor([[1, 0, -1, -2], [1, 0, 2, 3]]).repeat(math.ceil(objects / 2), 1)[:objects]
    inputs = {
        "features": torch.randn(1, CHANNELS, GRID, GRID, generator=generator) * 0.1,
        "points": torch.rand(objects, 4, 2, generator=generator) * SIDE,
        "labels": labels,
    }
    if graph == "mask_decoder":
        inputs["mask_logits"] = torch.randn(objects, 1, 4 * GRID, 4 * GRID, generator=generator) * 5
    return inputs


def _scout_inputs(graph: str, objects: int, generator: "torch.Generator") -> dict[str, "Tensor"]:
    rows, columns, margin = 40, 56, 9
    if graph == "paint":
        return {
            "seen": torch.randn(objects, rows, columns, CHANNELS, generator=generator),
            "filters": torch.randn(objects, 3, CHANNELS // 8, generator=generator),
        }
    if graph == "view":
        return {
            "features": torch.randn(1, CHANNELS, GRID, GRID, generator=generator) * 0.1,
            "rows": torch.arange(rows),
            "columns": torch.arange(columns),
        }
    return {
        "image": torch.randn(1, rows, columns, CHANNELS, generator=generator) * 0.1,
        "positions": torch.randn(1, rows, columns, CHANNELS, generator=generator) * 0.5,
        "margin": torch.randn(1, margin, CHANNELS, generator=generator) * 0.1,
        "margin_positions": torch.randn(1, margin, CHANNELS, generator=generator) * 0.5,
        "margin_bias": torch.rand(margin, generator=generator),
        "points": torch.rand(objects, 2, generator=generator) * SIDE,
    }


_OUTPUTS = {
    "encoder": ["features"],
    "look": ["seen", "filters", "scores"],
    "paint": ["logits"],
    "view": ["image", "positions", "margin", "margin_positions", "margin_bias"],
}

_SCOUT_DYNAMIC: dict[str, dict[int, str]] = {
    "image": {1: "rows", 2: "columns"},
    "positions": {1: "rows", 2: "columns"},
    "margin": {1: "margin"},
    "margin_positions": {1: "margin"},
    "margin_bias": {0: "margin"},
    "points": {0: "objects"},
    "features": {},
    "rows": {0: "rows"},
    "columns": {0: "columns"},
    "seen": {0: "objects", 1: "rows", 2: "columns"},
    "filters": {0: "objects"},
}

_DYNAMIC: dict[str, dict[int, str]] = {
    "image": {0: "images"},
    "features": {},
    "points": {0: "objects", 1: "tokens"},
    "labels": {0: "objects", 1: "tokens"},
    "mask_logits": {0: "objects"},
}


def trace(name: str, graph: str) -> TracedGraph:
    """Traces one graph of a model; its names are in `models.network.GRAPHS`."""
    sam = build_sam(name)
    part: str | tuple[str, ...] = (
        "image_encoder." if graph == "encoder" else ("prompt_encoder.", "mask_decoder.")
    )
    names = tuple(key for key in sam.state_dict() if key.startswith(part) and not key.endswith("_tracked"))
    inputs = example_inputs(graph)

    dynamic = _SCOUT_DYNAMIC if graph in SCOUT else _DYNAMIC
    shapes = [{axis: torch.export.Dim.DYNAMIC for axis in dynamic[key]} for key in inputs]
    outputs = _OUTPUTS.get(graph, ["logits", "scores"])
    with quiet(), _plain_attention(), torch.no_grad():
        program = torch.onnx.export(
            _Step(sam, graph, names).eval(),
            (*inputs.values(), *(sam.state_dict()[key] for key in names)),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=((*shapes, *(None for _ in names)),),
            input_names=[*inputs, *names],
            output_names=outputs,
            optimize=True,
            verbose=False,
        )
    model: onnx.ModelProto = program.model_proto  # type: ignore[union-attr]
    return strip(model, tuple(inputs), names)


def strip(model: "onnx.ModelProto", inputs: tuple[str, ...], names: tuple[str, ...]) -> TracedGraph:
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


def _attend(q: Any, k: Any, v: Any, attn_mask: Any = None, scale: float | None = None) -> Any:
    logits = (q * (q.shape[-1] ** -0.5 if scale is None else scale)) @ k.transpose(-1, -2)
    return (logits if attn_mask is None else logits + attn_mask).softmax(-1) @ v


def _plain_attention() -> Any:
    """Spells attention out: the tracer's own decomposition of the fused call fails on strided inputs."""
    return mock.patch.object(F, "scaled_dot_product_attention", _attend)


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


__all__ = ["GRAPHS", "OPSET", "TracedGraph", "declared", "example_inputs", "quiet", "strip", "trace"]
