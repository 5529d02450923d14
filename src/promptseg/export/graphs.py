"""Traces SAM's networks into weightless ONNX graphs; tensors have their official names."""

import math
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

from promptseg.export.weightless import TracedGraph, trace_part
from promptseg.models.sam import scout
from promptseg.models.sam.sam import Sam, build_sam

SIDE, GRID, CHANNELS = 1024, 64, 256

SCOUT = ("scout", "paint", "view", "sketch")
"""The graphs of `models.sam.scout`."""


def part_of(graph: str) -> Callable[..., Any]:
    """Returns what a graph of `models.network.GRAPHS` computes, as a function of the network and the inputs."""
    if graph == "encoder":
        return Sam.forward
    return getattr(scout, graph) if graph in SCOUT else Sam.predict_masks


def example_inputs(graph: str, objects: int = 2, seed: int = 0) -> dict[str, Tensor]:
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


def _scout_inputs(graph: str, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
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
    "scout": ["seen", "filters", "scores"],
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
    part: str | tuple[str, ...] = "image_encoder." if graph == "encoder" else ("prompt_encoder.", "mask_decoder.")
    names = tuple(key for key in sam.state_dict() if key.startswith(part) and not key.endswith("_tracked"))
    inputs = example_inputs(graph)
    dynamic = _SCOUT_DYNAMIC if graph in SCOUT else _DYNAMIC
    shapes = [{axis: torch.export.Dim.DYNAMIC for axis in dynamic[key]} for key in inputs]
    outputs = _OUTPUTS.get(graph, ["logits", "scores"])
    with _plain_attention():
        return trace_part(sam, part_of(graph), names, inputs, shapes, outputs)


def _attend(q: Any, k: Any, v: Any, attn_mask: Any = None, scale: float | None = None) -> Any:
    logits = (q * (q.shape[-1] ** -0.5 if scale is None else scale)) @ k.transpose(-1, -2)
    return (logits if attn_mask is None else logits + attn_mask).softmax(-1) @ v


def _plain_attention() -> Any:
    """Spells attention out: the tracer's own decomposition of the fused call fails on strided inputs."""
    return mock.patch.object(F, "scaled_dot_product_attention", _attend)
