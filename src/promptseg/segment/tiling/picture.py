"""`TiledImage`: a large picture whose prompts are answered at native resolution."""

import threading
from collections import OrderedDict
from dataclasses import replace

import numpy as np

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.images import Image
from promptseg.masks.segments import Segments
from promptseg.prompts.request import Granularity, Prompts, Request
from promptseg.prompts.types import ObjectPrompts
from promptseg.runtimes.companions import NO_COMPANIONS, Companions
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage, embed
from promptseg.segment.everything.options import check_tile
from promptseg.segment.places import predictor
from promptseg.segment.tiling.plan import Level, Tile, TileBox, bounds, plan_levels, within
from promptseg.segment.tiling.search import TILE

OVERLAP = 0.5
"""Neighbours share half, so that whatever is shorter than half a tile lies well inside some tile."""


class TiledImage:
    """A large picture, embedded in tiles when a prompt first needs them.

    Prompts are in pixels of the whole picture. Each object is answered on the finest tile that holds all of its prompts
    clear of the tile's inner borders, and of those on the one in whose middle they lie. When the answer itself reaches
    an inner border, the object is larger than that: a tile of twice the length is asked, and so on up to the whole
    picture.

    The picture and the plan do not change; embeddings are kept, the last used ones. Safe in threads.

    Args:
        runtime: the engine.
        image: the picture.
        model: name of the engine's model.
        tile: side of the finest tiles in pixels.
        keep: how many embeddings to keep (4 MiB each).
        companions: what was trained beside the model.

    Raises:
        InputError: a number is out of range.
    """

    def __init__(
        self,
        runtime: Runtime,
        image: Image,
        model: str,
        *,
        tile: int = TILE,
        keep: int = 16,
        companions: Companions = NO_COMPANIONS,
    ) -> None:
        check_tile(tile)
        if keep < 1:
            raise InputError(f"At least one embedding must be kept, got keep={keep}.")
        self._runtime, self._image, self._model = runtime, image, model
        self._companions = companions
        self._levels = plan_levels(image.size, tile, OVERLAP)
        self._keep = keep
        self._embeddings: OrderedDict[TileBox, EmbeddedImage] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def image(self) -> Image:
        """The picture."""
        return self._image

    @property
    def size(self) -> Size:
        """Height and width of the picture."""
        return self._image.size

    @property
    def model(self) -> str:
        """Name of the model that embeds the tiles."""
        return self._model

    def __repr__(self) -> str:
        return f"TiledImage({self.size.width} x {self.size.height}, {len(self._levels)} levels, {self._model!r})"

    def segment(self, prompts: Prompts, *, granularity: Granularity = "auto") -> Segments:
        """Segments the objects that the prompts speak of; see `Segmenter.segment`.

        Returns:
            One mask per object, in order (three with granularity "all"). `crop_boxes` tell which part of the picture
            answered. There are no `low_res_logits`, as they would speak of that part only.

        Raises:
            PromptError: a prompt is malformed or does not fit the picture or the model.
        """
        predictor.check_granularity(granularity)
        objects = Request.of(prompts).objects
        for parts in objects:
            for prompt in parts:
                prompt.check_inside(self.size)
        return Segments.concatenate([self._answer(parts, number, granularity) for number, parts in enumerate(objects)])

    def tile_of(self, prompts: ObjectPrompts, level: int = 0) -> tuple[int, TileBox]:
        """Returns the first level from `level` on that can answer the prompts of one object, and the tile's box."""
        place = bounds(prompts, self.size)
        for number in range(level, len(self._levels) - 1):
            tile = None if place is None else _holding(self._levels[number], place, self.size)
            if tile is not None:
                return number, tile.box
        return len(self._levels) - 1, self._levels[-1].tiles[0].box

    def _answer(self, prompts: ObjectPrompts, number: int, granularity: Granularity) -> Segments:
        level, box = self.tile_of(prompts)
        while True:
            part = self._embedded(box)
            local = within(prompts, box, self.size) if level < len(self._levels) - 1 else prompts
            found = predictor.segment(
                self._runtime, part, [local], granularity=granularity, companions=self._companions
            )
            masks = tuple(mask.moved(box[0], box[1], self.size) for mask in found.masks)
            here = self._levels[level]
            if here.whole or not any(mask.area and here.cut_sides(mask.bbox, Tile(box), self.size) for mask in masks):
                break
            level, box = self.tile_of(prompts, level + 1)
        count = len(masks)
        return Segments(
            self.size,
            masks,
            found.scores,
            prompts=(prompts,) * count,
            object_ids=np.full(count, number),
            granularities=found.granularities,
            image=self._image.pixels,
            crop_boxes=np.tile(np.array(box, np.float32), (count, 1)),
        )

    def _embedded(self, box: TileBox) -> EmbeddedImage:
        with self._lock:
            if box not in self._embeddings:
                whole = box == (0, 0, self.size.width, self.size.height)
                image = self._image if whole else self._image.crop(box)
                # The copy of the pixels, which the coarser the tile the larger it is, goes; only the features stay.
                self._embeddings[box] = replace(embed(self._runtime, image, self._model), image=self._image)
                if len(self._embeddings) > self._keep:
                    self._embeddings.popitem(last=False)
            self._embeddings.move_to_end(box)
            return self._embeddings[box]


def _holding(level: Level, place: tuple[float, float, float, float], size: Size) -> Tile | None:
    """Returns the tile of a level that holds a box clear of its inner borders, most nearly in its middle."""

    def distance(tile: Tile) -> float:
        x0, y0, x1, y1 = tile.box
        return abs(x0 + x1 - place[0] - place[2]) + abs(y0 + y1 - place[1] - place[3])

    # Borders of the picture cut nothing, but what lies beyond the tile at those sides lies beyond the picture.
    fitting = [tile for tile in level.tiles if not level.cut_sides(place, tile, size)]
    return min(fitting, key=distance, default=None)
