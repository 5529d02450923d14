"""Cutting a grid of tokens into square windows and putting it together again.

Shapes: B pictures, H W grid, C channels, S window side, n windows per picture.
"""

from torch import Tensor
from torch.nn import functional as F


def split_windows(x_BHWC: Tensor, side: int) -> Tensor:
    """Cuts a grid into (B*n, S*S, C) windows, row by row; zeros fill the bottom and the right."""
    height, width, channels = x_BHWC.shape[1:]
    down, across = -(-height // side), -(-width // side)
    if (down * side, across * side) != (height, width):
        x_BHWC = F.pad(x_BHWC, (0, 0, 0, across * side - width, 0, down * side - height))
    cells = x_BHWC.reshape(-1, down, side, across, side, channels)
    return cells.transpose(2, 3).reshape(-1, side * side, channels)


def join_windows(x_WSC: Tensor, side: int, size: tuple[int, int]) -> Tensor:
    """Undoes `split_windows`: returns (B, H, W, C) of `size` (H, W), the filling dropped."""
    height, width = size
    down, across = -(-height // side), -(-width // side)
    cells = x_WSC.reshape(-1, down, across, side, side, x_WSC.shape[-1]).transpose(2, 3)
    return cells.reshape(-1, down * side, across * side, x_WSC.shape[-1])[:, :height, :width]
