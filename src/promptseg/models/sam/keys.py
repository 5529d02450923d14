"""Names and shapes of the official SAM checkpoints, as they were recorded. Needs no torch."""

import gzip
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from promptseg.models.sam.config import sam_config
from promptseg.models.tensors import Shape, check_shapes


def expected_shapes(name: str) -> dict[str, Shape]:
    """Returns every name and shape of a network's official state dict.

    Raises:
        WeightsError: there is no such network.
    """
    sam_config(name)
    return {key: tuple(shape) for key, shape in _recorded()[name].items()}


def check_state_dict(name: str, shapes: Mapping[str, Shape]) -> None:
    """Checks names and shapes; tensors that no prediction depends on must be there, too. See `check_shapes`."""
    check_shapes(name, shapes, expected_shapes(name))


@cache
def _recorded() -> dict[str, Any]:
    return json.loads(gzip.decompress(Path(__file__).with_name("shapes.json.gz").read_bytes()))
