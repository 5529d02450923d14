"""Objects that lie across the border of tiles: the parts that neighbours see are joined where they agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptseg.masks.overlap import iou_matrix, union
from promptseg.masks.rle import RLE
from promptseg.prompts.types import ObjectPrompts
from promptseg.segment.tiling.plan import Level, Side, Tile, TileBox

AGREEMENT = 0.8
"""Parts of two tiles are of one object when their IoU within the overlap of the tiles is at least this."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A mask that a tile shows, in the frame of the picture.

    Attributes:
        mask: the mask.
        score: its predicted IoU.
        stability: its stability score.
        prompts: the point that it was found with, in pixels of the picture; several when it was joined.
        crop: the part of the picture that it was found in.
        tile: the tile.
        cut: the sides of the tile at which it may be cut off.
    """

    mask: RLE
    score: float
    stability: float
    prompts: ObjectPrompts
    crop: TileBox
    tile: Tile
    cut: frozenset[Side] = frozenset()


def join_across(pieces: Sequence[Piece], level: Level) -> list[Piece]:
    """Joins the pieces that tiles cut off with their partners in the neighbouring tiles.

    Partners agree within the overlap of their tiles; the best agreements are made first, and no object takes two pieces
    of one tile. What is still cut off at some side is left out: a coarser level, or the whole picture, shows it whole.

    Args:
        pieces: cut-off masks of the tiles of one level, in any order.
        level: where its tiles lie.

    Returns:
        The joined masks, the best first. One is as good as the worst of its pieces.
    """
    groups: list[list[int]] = [[index] for index in range(len(pieces))]
    for _, first, second in sorted(_links(pieces, level)):
        mine, other = groups[first], groups[second]
        if mine is other or _places(pieces, mine) & _places(pieces, other):
            continue
        mine += other
        for index in other:
            groups[index] = mine
    chosen = {id(group): sorted(group) for group in groups}
    whole = [[pieces[index] for index in group] for group in chosen.values() if _is_whole(pieces, group)]
    return sorted((_joined(group) for group in whole), key=lambda piece: -piece.score)


def clipped(mask: RLE, box: TileBox) -> RLE:
    """Returns the part of a mask that lies inside a box."""
    x0, y0, x1, y1 = box
    columns, tops, bottoms = mask.columns()
    tops, bottoms = np.maximum(tops, y0), np.minimum(bottoms, y1)
    inside = (columns >= x0) & (columns < x1) & (tops < bottoms)
    return RLE.from_columns(columns[inside], tops[inside], bottoms[inside], mask.size)


def _links(pieces: Sequence[Piece], level: Level) -> list[tuple[float, int, int]]:
    """Returns (minus agreement, piece, piece) of neighbours that agree well enough."""
    cut: dict[tuple[int, int, Side], list[int]] = {}
    for index, piece in enumerate(pieces):
        for side in piece.cut:
            cut.setdefault((piece.tile.row, piece.tile.column, side), []).append(index)
    tiles = {(tile.row, tile.column): tile for tile in level.tiles}
    links: list[tuple[float, int, int]] = []
    seams: tuple[tuple[int, int, Side, Side], ...] = ((0, 1, "right", "left"), (1, 0, "bottom", "top"))
    for (row, column), tile in tiles.items():
        for down, along, side, opposite in seams:
            here = cut.get((row, column, side), [])
            there = cut.get((row + down, column + along, opposite), [])
            if not here or not there:
                continue
            window = _window(tile.box, tiles[row + down, column + along].box, side, level.edge)
            agreement = iou_matrix(
                [clipped(pieces[index].mask, window) for index in here],
                [clipped(pieces[index].mask, window) for index in there],
            )
            links += [
                (-float(agreement[first, second]), here[first], there[second])
                for first, second in np.argwhere(agreement >= AGREEMENT).tolist()
            ]
    return links


def _window(first: TileBox, second: TileBox, side: Side, edge: int) -> TileBox:
    """Returns where the tiles overlap, without the margins in which masks fade out towards the border of a tile."""
    x0, y0 = max(first[0], second[0]), max(first[1], second[1])
    x1, y1 = min(first[2], second[2]), min(first[3], second[3])
    return (x0 + edge, y0, x1 - edge, y1) if side == "right" else (x0, y0 + edge, x1, y1 - edge)


def _places(pieces: Sequence[Piece], group: list[int]) -> set[tuple[int, int]]:
    return {(pieces[index].tile.row, pieces[index].tile.column) for index in group}


def _is_whole(pieces: Sequence[Piece], group: list[int]) -> bool:
    """Says whether every side at which a piece is cut off leads to a tile that has another piece of the group."""
    steps: dict[Side, tuple[int, int]] = {"left": (0, -1), "top": (-1, 0), "right": (0, 1), "bottom": (1, 0)}
    places = _places(pieces, group)
    return all(
        (pieces[index].tile.row + steps[side][0], pieces[index].tile.column + steps[side][1]) in places
        for index in group
        for side in pieces[index].cut
    )


def _joined(group: list[Piece]) -> Piece:
    first = group[0]
    boxes = np.array([piece.crop for piece in group])
    x0, y0 = boxes[:, :2].min(axis=0).tolist()
    x1, y1 = boxes[:, 2:].max(axis=0).tolist()
    return Piece(
        union([piece.mask for piece in group], first.mask.size),
        min(piece.score for piece in group),
        min(piece.stability for piece in group),
        tuple(prompt for piece in group for prompt in piece.prompts),
        (x0, y0, x1, y1),
        first.tile,
    )
