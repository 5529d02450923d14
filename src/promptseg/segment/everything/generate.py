"""All masks of a picture: one entrance to both modes."""

from collections.abc import Iterator

import numpy as np

from promptseg.masks.segments import Segments
from promptseg.progress import Progress
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.options import EverythingOptions


def everything(
    runtime: Runtime,
    embedded: EmbeddedImage,
    options: EverythingOptions | None = None,
    *,
    on_progress: Progress | None = None,
) -> Segments:
    """Finds all masks of a picture.

    Args:
        runtime: the engine; the exact mode needs one that computes in float32.
        embedded: the picture, embedded by that engine.
        options: thresholds, grids and the mode; by default `EverythingOptions()`.
        on_progress: called with (points done, points in all).

    Returns:
        The masks, with predicted IoU as `scores`, `stability_scores`, `crop_boxes`, and the point that each was
        found with as its prompt. Empty when nothing survives the filters.

    Raises:
        InputError: the options and the engine do not fit together.
    """
    nothing = Segments(
        embedded.size,
        image=embedded.image.pixels,
        stability_scores=np.empty(0, np.float32),
        crop_boxes=np.empty((0, 4), np.float32),
    )
    return Segments.concatenate(
        [nothing, *iter_everything(runtime, embedded, options, on_progress=on_progress)]
    )


def iter_everything(
    runtime: Runtime,
    embedded: EmbeddedImage,
    options: EverythingOptions | None = None,
    *,
    on_progress: Progress | None = None,
) -> Iterator[Segments]:
    """Finds all masks of a picture and yields them in parts, as they become certain.

    No part is taken back: joined, they are what `everything` returns, in the same order. The exact mode yields a part
    per crop, since a mask is certain only when its crop has been searched; with `tile` there is a part per tile. See
    `everything` for the arguments.
    """
    options = options or EverythingOptions()
    if options.tile is not None:
        from promptseg.segment.tiling.search import search_tiles as find
    elif options.mode == "exact":
        from promptseg.segment.everything.exact import iter_exact as find
    else:
        from promptseg.segment.everything.fast import iter_fast as find
    found = 0
    for part in find(runtime, embedded, options, on_progress):
        if len(part):
            numbers = np.arange(found, found + len(part))
            yield part.replace(object_ids=numbers, image=embedded.image.pixels)
            found += len(part)
