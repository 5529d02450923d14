"""Writes the weightless graphs and their manifest into the package: run it after any change to the networks.

python tools/export_graphs.py            # all
python tools/export_graphs.py decoder    # only those whose file name holds this word
"""

import gzip
import hashlib
import json
import sys
from pathlib import Path

import torch

from promptseg.export.detector_graph import detector_shapes, trace_detector
from promptseg.export.graphs import trace
from promptseg.export.retouch_graph import retouch_shapes, trace_retouch
from promptseg.export.tiny_graphs import tiny_shapes, trace_tiny
from promptseg.export.weightless import TracedGraph, declared
from promptseg.models.companions.retouch import NAME as RETOUCH
from promptseg.models.detector.weights import NAME as DETECTOR
from promptseg.models.network import GRAPHS
from promptseg.models.seem_tiny.weights import GRAPHS as TINY_GRAPHS

TARGET = Path(__file__).resolve().parent.parent / "src/promptseg/models/graphs"
MODELS = ("mobile-sam", "sam-vit-b", "sam-vit-l", "sam-vit-h")
_SINGLE = {RETOUCH: (trace_retouch, retouch_shapes), DETECTOR: (trace_detector, detector_shapes)}
"""Networks of one graph."""


def write(file: str, model: str, graph: str) -> dict[str, object]:
    """Traces one graph, writes it compressed, and returns its entry of the manifest."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    known = json.loads((TARGET / "manifest.json").read_text())["models"].get(model, {})
    if wanted not in file and graph in known:
        return known[graph]
    traced = _traced(model, graph)
    content = gzip.compress(traced.model.SerializeToString(), mtime=0)
    (TARGET / file).write_bytes(content)
    print(f"{file}: {len(content) / 1e3:.0f} kB, {len(traced.model.graph.node)} nodes, {len(traced.tensors)} tensors")
    digest = hashlib.sha256(content).hexdigest()
    return {"file": file, "sha256": digest, **declared(traced.model), **_needs(model, graph, traced)}


def _traced(model: str, graph: str) -> TracedGraph:
    if model in _SINGLE:
        return _SINGLE[model][0]()
    return trace_tiny(graph) if model == "seem-tiny" else trace(model, graph)


def _needs(model: str, graph: str, traced: TracedGraph) -> dict[str, object]:
    """Names the tensors that a graph reads; the shapes of SAM's are in models/sam/keys."""
    tensors = list(traced.tensors)
    if model in _SINGLE:
        return {"tensors": tensors, "shapes": _SINGLE[model][1]()}
    if model == "seem-tiny":
        return {"tensors": tensors, "shapes": tiny_shapes(graph, traced)}
    return {"tensors": tensors}


def main() -> None:
    """Runs the command."""
    decoders = {graph: write(f"{graph}.onnx.gz", "mobile-sam", graph) for graph in GRAPHS[1:]}
    models = {
        model: {"encoder": write(f"encoder_{model.replace('-', '_')}.onnx.gz", model, "encoder"), **decoders}
        for model in MODELS
    }
    models["seem-tiny"] = {graph: write(f"tiny_{graph}.onnx.gz", "seem-tiny", graph) for graph in TINY_GRAPHS}
    for name in _SINGLE:
        models[name] = {name: write(f"{name}.onnx.gz", name, name)}
    manifest = {"exporter": f"torch {torch.__version__.split('+')[0]}", "side": 1024, "models": models}
    (TARGET / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
