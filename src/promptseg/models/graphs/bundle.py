"""What a browser needs to answer prompts, in one file: graphs without weights, and what fills them, once for all.

The file is a safetensors file. Its metadata say under `graphs` (JSON) which tensor fills what of which graph; the
graphs themselves are tensors of bytes. Large tensors are float16, which halves the file.
"""

import gzip
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from promptseg.models.graphs.stored import graph_manifest

SMALL = 4096
"""Tensors of fewer numbers stay float32: they are a hundredth of the file, and positions depend on them."""

GRAPH = "graph/"
"""Begins the names of the graphs."""


def bundle(model: str, filled: Mapping[str, Mapping[str, npt.NDArray[Any]]]) -> bytes:
    """Returns the file.

    Args:
        model: its name in the manifest of graphs.
        filled: for each graph the tensors that fill it.
    """
    manifest = graph_manifest()["models"][model]
    tensors: dict[str, npt.NDArray[Any]] = {}
    used: dict[str, dict[str, str]] = {}
    for graph, known in filled.items():
        packed = resources.files("promptseg.models.graphs").joinpath(manifest[graph]["file"]).read_bytes()
        tensors[GRAPH + graph] = np.frombuffer(gzip.decompress(packed), np.uint8)
        used[graph] = {}
        for name in manifest[graph]["tensors"]:
            array = _narrow(known[name])
            key = name
            while key in tensors and not np.array_equal(tensors[key], array):
                key += "'"  # graphs may be filled in different ways
            tensors[key] = array
            used[graph][name] = key
    return save(tensors, {"graphs": json.dumps(used)})


def _narrow(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype.kind in "iu":
        return np.ascontiguousarray(array, np.int64)
    return np.ascontiguousarray(array, np.float32 if array.size < SMALL else np.float16)
