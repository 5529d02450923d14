"""Names and shapes of the official SEEM checkpoints: those of our modules, which bear the official names."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from promptseg.models.tensors import Shape, check_shapes

CLASSES = 133
"""Classes of the closed vocabulary that the official networks were trained with, background not counted."""

_UNUSED: dict[str, Shape] = {"dilation_kernel": (1, 1, 3, 3), "criterion.empty_weight": (CLASSES + 1,)}


@cache
def expected_shapes(name: str) -> Mapping[str, Shape]:
    """Returns every name and shape of a network's official state dict. Imports torch.

    Raises:
        WeightsError: there is no such network.
    """
    from promptseg.models.blocks.hollow import hollow
    from promptseg.models.seem.seem import build_seem

    with hollow():
        seem = build_seem(name)
    return MappingProxyType({key: tuple(value.shape) for key, value in seem.state_dict().items()} | _UNUSED)


def is_unused(key: str) -> bool:
    """Whether it is a buffer of the official training code, on which no prediction depends."""
    return key == "dilation_kernel" or key.startswith("criterion.")


def check_state_dict(name: str, shapes: Mapping[str, Shape]) -> None:
    """Checks names and shapes; buffers of the training code (`is_unused`) may be there or not. See `check_shapes`."""
    expected = {key: shape for key, shape in expected_shapes(name).items() if not is_unused(key)}
    check_shapes(name, shapes, expected, is_unused)
