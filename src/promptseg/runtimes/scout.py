"""What the engines need to try many single clicks on one picture (see `models.sam.scout`)."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from promptseg.arrays import Float32
from promptseg.geometry import Size
from promptseg.models.network import Network
from promptseg.models.sam.config import BLOCK, NOWHERE

PATCH = 16
"""Pixels of the model's frame along each side of an embedding cell."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoutView:
    """An embedding without its padding: H x W cells of the picture and K cells that stand for the rest.

    Attributes:
        image: (1, H, W, C) embedding.
        positions: (1, H, W, C) position encodings of its cells.
        margin: (1, K, C) means over blocks of padding.
        margin_positions: (1, K, C) means of their position encodings.
        margin_bias: (K,) logarithm of how many cells each stands for.
    """

    image: Float32
    positions: Float32
    margin: Float32
    margin_positions: Float32
    margin_bias: Float32

    def feeds(self, points: Float32) -> dict[str, Float32]:
        """Returns the inputs of the graph "scout" for clicks (B, 2) in the 1024 frame."""
        return {**{field.name: getattr(self, field.name) for field in fields(self)}, "points": points}


class ScoutAnswer(NamedTuple):
    """What one click found.

    Attributes:
        scores: (3,) predicted IoU of the ambiguity-aware masks.
        logits: (3, 4H, 4W) mask logits over the picture's part of the frame, or None: no score was worth drawing.
    """

    scores: Float32
    logits: Float32 | None


def scout_view(network: Network, features: Float32, resized: Size) -> ScoutView:
    """Parts an embedding (1, C, 64, 64) into picture and condensed padding.

    Args:
        network: the model, for its position encoding.
        features: the embedding.
        resized: height and width of the picture inside the model's frame.
    """
    _, channels, side, _ = features.shape
    rows, columns = (min(side, -(-extent // PATCH)) for extent in resized)
    cells = np.ascontiguousarray(features[0].transpose(1, 2, 0))
    positions = _positions(network, side)
    inside = np.zeros((side, side), np.bool_)
    inside[:rows, :columns] = True
    margin, places, counts = [], [], []
    for top in range(0, side, BLOCK):
        for left in range(0, side, BLOCK):
            block = (slice(top, top + BLOCK), slice(left, left + BLOCK))
            outside = ~inside[block]
            if outside.any():
                margin.append(cells[block][outside].mean(0))
                places.append(positions[block][outside].mean(0))
                counts.append(np.log(np.count_nonzero(outside)))
    if not margin:  # a square picture; the graph still wants a cell
        margin, places, counts = [np.zeros(channels)], [np.zeros(channels)], [NOWHERE]
    return ScoutView(
        np.ascontiguousarray(cells[None, :rows, :columns]),
        np.ascontiguousarray(positions[None, :rows, :columns]),
        np.stack(margin)[None].astype(np.float32),
        np.stack(places)[None].astype(np.float32),
        np.array(counts, np.float32),
    )


def _positions(network: Network, side: int) -> Float32:
    """Encodes the centres of the cells, (side, side, C); specification A2.3."""
    matrix = np.asarray(network.tensors["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"], np.float32)
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    turns = centres[:, None, None] * matrix[1] + centres[None, :, None] * matrix[0]
    angles = (2 * np.pi * turns).astype(np.float32)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
