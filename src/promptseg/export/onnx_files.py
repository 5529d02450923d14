"""Writes complete ONNX files from the torch modules, and proves each against them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from promptseg.errors import InputError, PromptsegError
from promptseg.export.graphs import example_inputs, part_of, trace
from promptseg.export.weightless import declared
from promptseg.files import write_bytes
from promptseg.models.graphs.assembly import assemble
from promptseg.models.network import GRAPHS, PROMPTED, Network
from promptseg.models.sam.checkpoint import load_state_dict
from promptseg.models.sam.sam import Sam, build_sam
from promptseg.runtimes.onnx_graphs import run_model

TOLERANCE = 1e-3
"""Largest difference to torch that a written graph may have (logits reach about 30)."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """One written graph.

    Attributes:
        path: the file.
        opset: its ONNX operator set.
        difference: largest absolute difference of any output to the torch modules.
    """

    path: Path
    opset: int
    difference: float


def export_model(network: Network, folder: Path, graphs: Sequence[str] = GRAPHS) -> Iterator[ExportReport]:
    """Traces, fills, verifies and writes graphs of a model; a graph that differs is not written.

    Args:
        network: the model.
        folder: where the files go.
        graphs: which, of `models.network.GRAPHS`.

    Raises:
        InputError: there is no such graph.
        PromptsegError: a graph does not compute what the torch modules compute.
        OutputError: a file cannot be written.
    """
    for graph in graphs:
        if graph not in GRAPHS:
            raise InputError(f"There is no graph {graph!r}. The graphs are {', '.join(GRAPHS)}.")
    sam = load_state_dict(build_sam(network.base), network.tensors)
    answering = load_state_dict(build_sam(network.base), network.answering)
    for graph in graphs:
        traced = trace(network.base, graph)
        prompted = graph in PROMPTED
        tensors = network.answering if prompted else network.tensors
        content = assemble(traced.model.SerializeToString(), traced.tensors, tensors)
        difference = _difference(answering if prompted else sam, graph, content)
        if not difference <= TOLERANCE:
            raise PromptsegError(f"The exported {graph} differs from torch by {difference:.1e}; it was not written.")
        path = path_of(folder, network.name, graph)
        write_bytes(path, content)
        yield ExportReport(path, declared(traced.model)["opset"], difference)


def path_of(folder: Path, model: str, graph: str) -> Path:
    """Returns where a graph of a model is written."""
    return folder / f"{model}-{graph.replace('_', '-')}.onnx"


def _difference(sam: Sam, graph: str, content: bytes) -> float:
    """Compares on inputs of another batch size than the traced ones, so that fixed sizes would show."""
    inputs = example_inputs(graph, objects=3, seed=1)
    with torch.inference_mode():
        answer = part_of(graph)(sam, *inputs.values())
    expected: tuple[torch.Tensor, ...] = answer if isinstance(answer, tuple) else (answer,)
    found = run_model(content, {name: value.numpy() for name, value in inputs.items()})
    return max(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, expected, strict=True))
