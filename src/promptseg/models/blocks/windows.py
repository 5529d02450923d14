"""Cutting a grid of tokens into square windows and putting it together again.

Shapes: B pictures, L = H * W tokens of a grid, C channels, S window side, n windows per picture.

Tokens keep one axis, and the filling is done on rows of W * C numbers: OpenVINO takes four axes for a picture with
its channels second, and would lay the tokens out anew before and after every such step.
"""

from torch import Tensor
from torch.nn import functional as F


def split_windows(x_BLC: Tensor, side: int, size: tuple[int, int]) -> Tensor:
    """Cuts a grid of `size` (H, W) into (B*n, S*S, C) windows, row by row; zeros fill the bottom and the right."""
    (height, width), channels = size, x_BLC.shape[2]
    down, across = -(-height // side), -(-width // side)
    rows = x_BLC.reshape(-1, height, width * channels)
    if (down * side, across * side) != size:
        rows = F.pad(rows, (0, (across * side - width) * channels, 0, down * side - height))
    cells = rows.reshape(-1, down, side, across, side, channels)
    return cells.transpose(2, 3).reshape(-1, side * side, channels)


def join_windows(x_WSC: Tensor, side: int, size: tuple[int, int]) -> Tensor:
    """Undoes `split_windows`: returns (B, L, C) for a grid of `size` (H, W), the filling dropped."""
    (height, width), channels = size, x_WSC.shape[2]
    down, across = -(-height // side), -(-width // side)
    cells = x_WSC.reshape(-1, down, across, side, side, channels).transpose(2, 3)
    rows = cells.reshape(-1, down * side, across * side * channels)[:, :height, : width * channels]
    return rows.reshape(-1, height * width, channels)
