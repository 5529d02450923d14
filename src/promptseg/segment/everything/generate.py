"""All masks of a picture: one entrance to both modes."""

from collections.abc import Iterable, Iterator

import numpy as np

from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.progress import Progress
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.exact import iter_exact
from promptseg.segment.everything.fast import iter_fast
from promptseg.segment.everything.options import EverythingOptions


def everything(
    runtime: Runtime,
    embedded: EmbeddedImage,
    options: EverythingOptions | None = None,
    *,
    on_progress: Progress | None = None,
) -> Segments:
    """Finds all masks of a picture, as `Segmenter.everything` says.

    Raises:
        InputError: the exact mode is asked of an engine that does not compute in float32.
    """
    return joined(embedded.image, iter_everything(runtime, embedded, options, on_progress=on_progress))


def iter_everything(
    runtime: Runtime,
    embedded: EmbeddedImage,
    options: EverythingOptions | None = None,
    *,
    on_progress: Progress | None = None,
) -> Iterator[Segments]:
    """Finds all masks of a picture and yields them in parts, as they become certain.

    When `on_progress` raises `Enough`, the search ends with what it has found until then.

    No part is taken back: joined, they are what `everything` returns, in the same order. The exact mode yields a part
    per crop, since a mask is certain only when its crop has been searched. A search in tiles, `options.tile`, is that
    of `tiling.iter_tiles`.
    """
    options = options or EverythingOptions()
    find = iter_exact if options.mode == "exact" else iter_fast
    return numbered(embedded, find(runtime, embedded, options, on_progress))


def numbered(embedded: EmbeddedImage, parts: Iterable[Segments]) -> Iterator[Segments]:
    """Yields the parts that hold masks, numbered through, with the picture."""
    found, thin = 0, set[RLE]()
    for part in (once(part, thin) for part in parts):
        if len(part):
            numbers = np.arange(found, found + len(part))
            yield part.replace(object_ids=numbers, image=embedded.image.pixels)
            found += len(part)


def once(segments: Segments, thin: set[RLE]) -> Segments:
    """Leaves out masks at most one pixel wide that are among `thin`, and adds the others to it.

    Their boxes have no area in SAM's procedure, so that no suppression by overlap finds that they are equal.
    """
    kept: list[int] = []
    for index, mask in enumerate(segments.masks):
        x0, y0, x1, y1 = mask.box
        is_thin = min(x1 - x0, y1 - y0) <= 1
        if not is_thin or mask not in thin:
            kept.append(index)
        if is_thin:
            thin.add(mask)
    return segments if len(kept) == len(segments) else segments[kept]


def joined(image: Image, parts: Iterable[Segments]) -> Segments:
    """Returns all parts of a search as one result, which has every field even when nothing was found."""
    nothing = Segments(
        image.size,
        image=image.pixels,
        stability_scores=np.empty(0, np.float32),
        crop_boxes=np.empty((0, 4), np.float32),
    )
    return Segments.concatenate([nothing, *parts])
