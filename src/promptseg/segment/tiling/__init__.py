"""Very large pictures: searched, and prompted, on overlapping tiles at native resolution."""

from promptseg.segment.tiling.picture import TiledImage
from promptseg.segment.tiling.plan import Level, Tile, plan_levels
from promptseg.segment.tiling.search import iter_tiles

__all__ = ["Level", "Tile", "TiledImage", "iter_tiles", "plan_levels"]
