"""A map's cells as tokens, and back.

Shapes: B pictures, C channels, H W grid, L = H * W tokens.
"""

from torch import Tensor


def as_tokens(x_BCHW: Tensor) -> Tensor:
    """Puts a map's cells into one axis, row by row, and its channels last: (B, L, C).

    No copy if the memory is channels-last.
    """
    return x_BCHW.permute(0, 2, 3, 1).flatten(1, 2)


def as_map(x_BLC: Tensor, size: tuple[int, int]) -> Tensor:
    """Undoes `as_tokens`: returns (B, C, H, W) for a grid of `size` (H, W)."""
    return x_BLC.unflatten(1, size).permute(0, 3, 1, 2)
