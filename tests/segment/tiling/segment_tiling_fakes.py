"""Stand-ins that see colours: every colour of a picture but black is an object, and a tile sees its part of it."""

import weakref

import numpy as np

from promptseg import Image, Point
from promptseg.geometry import ResizeFrame
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.options import EverythingOptions
from promptseg.segment.tiling import search


def painted(height, width, *boxes):
    """Returns a black picture with one box (x0, y0, x1, y1) per object, the later over the earlier."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(boxes, start=1):
        pixels[y0:y1, x0:x1] = number
    return Image(pixels)


def box_mask(size, *box):
    x0, y0, x1, y1 = box
    return RLE.encode_crop(np.ones((y1 - y0, x1 - x0), bool), (x0, y0), size)


class Colours:
    """Embeds and finds everything by colour; remembers the order of work and how many embeddings lived at once."""

    def __init__(self):
        self.sizes, self.alive, self.most_alive = [], weakref.WeakSet(), 0
        self.blind = lambda size, colour: False
        self.scores = lambda size, colour: 0.9

    def embed(self, runtime, image, model):
        embedded = EmbeddedImage(Features(), ResizeFrame.fit(image.size), image, model)
        self.alive.add(embedded.features)
        self.most_alive = max(self.most_alive, len(self.alive))
        return embedded

    def everything(self, runtime, embedded, options, *, on_progress=None):
        assert options.tile is None
        self.sizes.append(tuple(embedded.size))
        colours = embedded.image.pixels[..., 0]
        masks, scores, points = [], [], []
        for colour in np.unique(colours[colours > 0]).tolist():
            if not self.blind(embedded.size, colour):
                y, x = np.argwhere(colours == colour)[0].tolist()
                masks.append(RLE.encode(colours == colour))
                scores.append(self.scores(embedded.size, colour))
                points.append((Point(x, y),))
        if on_progress is not None:
            on_progress(options.points_per_side**2, options.points_per_side**2)
        height, width = embedded.size
        return Segments(
            embedded.size,
            tuple(masks),
            np.array(scores, np.float32),
            prompts=tuple(points),
            image=embedded.image.pixels,
            stability_scores=np.array(scores, np.float32),
            crop_boxes=np.array([[0, 0, width, height]] * len(masks), np.float32).reshape(-1, 4),
        )

    def iterate(self, image, on_progress=None, **options):
        chosen = EverythingOptions(**{"tile": 64, "points_per_side": 2, **options})
        return search.iter_tiles(None, self.embed(None, image, "colours"), chosen, on_progress=on_progress)

    def find(self, image, **options):
        return list(self.iterate(image, **options))


class Features:
    """In place of an array; can be watched."""
