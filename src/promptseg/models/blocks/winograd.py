"""3 x 3 convolutions with four times fewer multiplications (Winograd's minimal filtering, arXiv 1509.09308).

Tiles of 6 x 6 cells, which overlap by 2, give 4 x 4 results: F(4 x 4, 3 x 3). A tile is seen as a polynomial, evaluated
at five points and at infinity; there the convolution is a plain product. The usual points 0, 1, -1, 2, -2 round
badly; with those below the rms error over 512 channels of unit variance is 9e-7 in float32.

Shapes: B pictures, H W grid, I inputs, O outputs, r rows of tiles in a strip, t tiles in a row, T = r*t tiles,
K = 36 cells of a tile, k = 16 of its result.
"""

from fractions import Fraction
from functools import lru_cache
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_POINTS = (Fraction(0), Fraction(5, 8), Fraction(-5, 8), Fraction(11, 8), Fraction(-11, 8))
_RESULT = 4
_TILE = 6
_WORTH = 2048
"""From so many cells on it is faster than the plain convolution."""
_STRIP = 96
"""Tiles worked on together, so that their numbers stay in the processor's cache."""


class Conv3x3(nn.Conv2d):
    """A 3 x 3 convolution of stride 1 that keeps the size, and its fast form where no gradient is asked for."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True, fast: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)
        self.fast = fast

    def forward(self, input: Tensor) -> Tensor:
        """Returns (B, O, H, W), in channels-last memory if the fast form was taken."""
        plain = (
            not self.fast
            or input.shape[-2] * input.shape[-1] < _WORTH
            or input.device.type != "cpu"
            or input.dtype != torch.float32
            or (torch.is_grad_enabled() and (input.requires_grad or self.weight.requires_grad))
            or torch.compiler.is_compiling()
            or torch.onnx.is_in_onnx_export()
        )
        if plain:  # on other memory than plain rows oneDNN is no faster, and rounds four times worse
            return super().forward(input.contiguous())
        return winograd(input, self.weight, self.bias)


def winograd(x_BIHW: Tensor, weight_OI33: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """Convolves with stride 1 and zero padding of 1; not for training.

    Returns:
        (B, O, H, W) in channels-last memory.
    """
    height, width = x_BIHW.shape[2:]
    rows, across = -(-height // _RESULT), -(-width // _RESULT)
    spread, weigh, collect = (matrix.to(x_BIHW) for matrix in _matrices())
    weights = weight_OI33.detach().permute(2, 3, 1, 0).flatten(0, 1)
    kernels_KIO = (weigh @ weights.flatten(1)).unflatten(1, weights.shape[1:])
    del weights
    out_BHWO = x_BIHW.new_empty(len(x_BIHW), _RESULT * rows, _RESULT * across, len(weight_OI33))
    step = max(1, _STRIP // across)
    for picture, result in zip(x_BIHW.permute(0, 2, 3, 1), out_BHWO, strict=True):
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            first, last = _RESULT * start - 1, _RESULT * stop + 1
            filling = (0, 0, 1, _RESULT * across + 1 - width, max(0, -first), max(0, last - height))
            strip = F.pad(picture[max(0, first) : last], filling)
            tiles = strip.unfold(0, _TILE, _RESULT).unfold(1, _TILE, _RESULT)  # (r, t, I, 6, 6)
            tiles_KX = tiles.permute(3, 4, 0, 1, 2).reshape(_TILE**2, -1)
            points_KTI = (spread @ tiles_KX).unflatten(1, (-1, strip.shape[2]))
            sums_KX = torch.bmm(points_KTI, kernels_KIO).flatten(1)
            results = (collect @ sums_KX).view(_RESULT, _RESULT, stop - start, across, -1)
            place = result[_RESULT * start : _RESULT * stop].view(stop - start, _RESULT, across, _RESULT, -1)
            place.copy_(results.permute(2, 0, 3, 1, 4))
    if bias_O is not None:
        out_BHWO += bias_O
    return out_BHWO[:, :height, :width].permute(0, 3, 1, 2)


@lru_cache(maxsize=1)
def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """The transforms of a tile (K, K), of the weights (K, 9) and of the products (k, K), both axes at once."""
    others = [[b for b in _POINTS if b != a] for a in _POINTS]
    spread = [*(_coefficients(roots) for roots in others), _coefficients(_POINTS)]
    scales = [prod(a - b for b in roots) for a, roots in zip(_POINTS, others, strict=True)]
    weigh = [[a**j / scale for j in range(3)] for a, scale in zip(_POINTS, scales, strict=True)]
    collect = [[a**i for a in _POINTS] + [Fraction(i == _RESULT - 1)] for i in range(_RESULT)]
    return (_both_axes(spread), _both_axes([*weigh, [Fraction(0), Fraction(0), Fraction(1)]]), _both_axes(collect))


def _coefficients(roots: tuple[Fraction, ...] | list[Fraction]) -> list[Fraction]:
    """The polynomial with these roots, lowest power first, filled up to the length of a tile."""
    found = [Fraction(1)]
    for root in roots:
        found = [up - root * same for up, same in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found + [Fraction(0)] * (_TILE - len(found))


def _both_axes(rows: list[list[Fraction]]) -> Tensor:
    matrix = torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float64)
    return torch.kron(matrix, matrix)
