"""The weightless graphs of the package, and complete models made of them."""

import gzip
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import numpy.typing as npt

from promptseg.models.graphs.assembly import assemble


@cache
def graph_manifest() -> dict[str, Any]:
    """Returns what the exporter recorded: for each model and graph its file, opset, inputs, outputs and tensors."""
    return json.loads(resources.files("promptseg.models.graphs").joinpath("manifest.json").read_text())


def complete_model(model: str, graph: str, tensors: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Returns the bytes of a complete ONNX model.

    Args:
        model: its name in the manifest.
        graph: one of its graphs.
        tensors: what fills them.

    Raises:
        KeyError: the manifest has no such model or graph.
        WeightsError: a tensor that the graph reads is missing.
    """
    entry = graph_manifest()["models"][model][graph]
    packed = resources.files("promptseg.models.graphs").joinpath(entry["file"]).read_bytes()
    return assemble(gzip.decompress(packed), entry["tensors"], tensors)
