"""What every result can do, whatever else it knows of its masks: draw, cut out, outline, write."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, Int64
from promptseg.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from promptseg.masks.paint import Colour
    from promptseg.masks.polygons import PolygonWithHoles
    from promptseg.masks.records import CocoPicture, RecordOutput
    from promptseg.masks.segments import Segments


class MaskResult:
    """Masks of one picture; the methods are the same for all kinds of results, which have `segments`."""

    __slots__ = ()

    if TYPE_CHECKING:  # at run time a dataclass would take it for the default of its field

        @property
        def segments(self) -> "Segments":
            """The masks with their scores and labels."""
            ...

    @property
    def boxes(self) -> Float32:
        """(N, 4) boxes (x0, y0, x1, y1) around the masks; all zero for an empty mask."""
        return np.array([mask.bbox for mask in self.segments.masks], np.float32).reshape(-1, 4)

    @property
    def areas(self) -> Int64:
        """(N,) pixels of each mask."""
        return np.array([mask.area for mask in self.segments.masks], np.int64)

    def dense(self) -> npt.NDArray[np.bool_]:
        """Returns the masks as (N, H, W) bool pixels; this can be large."""
        found = self.segments
        stack = np.zeros((len(found), *found.size), np.bool_)
        for layer, mask in zip(stack, found.masks, strict=True):
            x0, y0, x1, y1 = mask.box
            layer[y0:y1, x0:x1] = mask.crop()
        return stack

    def polygons(self, tolerance: float = 0.0) -> "list[list[PolygonWithHoles]]":
        """Returns the outlines of each mask, simplified by at most `tolerance` pixels; 0 is exact."""
        from promptseg.masks.polygons import trace_polygons

        return [trace_polygons(mask, tolerance) for mask in self.segments.masks]

    def palette(self) -> "list[Colour]":
        """Returns the colour that each mask is drawn in: the chosen one, else one unlike its neighbours'."""
        from promptseg.masks.paint import distinct_colours

        chosen = self.segments.colours
        return [colour or made for colour, made in zip(chosen, distinct_colours(len(chosen)), strict=True)]

    def draw(
        self,
        image: Any = None,
        *,
        alpha: float = 0.5,
        outline: bool = True,
        labels: bool = True,
        palette: "Sequence[Colour] | None" = None,
    ) -> "Image.Image":
        """Returns the picture with the masks painted over it.

        Args:
            image: pixels to draw on, (H, W, 3) uint8 or a PIL image; by default the picture of this result.
            alpha: strength of the tint, from 0 to 1.
            outline: whether to draw outlines.
            labels: whether to write labels, with the scores, on masks that have one.
            palette: RGB colours to cycle through; by default those of `palette()`.

        Raises:
            InputError: there is no image, or it is of another size.
        """
        from promptseg.masks.draw import draw_masks

        found = self.segments
        named = zip(found.labels, found.scores, strict=True) if labels else ()
        captions = [f"{label}  {score:.2f}" if label else None for label, score in named]
        pixels = self._pixels(image)
        return draw_masks(
            pixels, found.masks, captions, alpha=alpha, outline=outline, palette=palette or self.palette()
        )

    def cutout(self, index: int = 0, image: Any = None, *, crop: bool = False) -> "Image.Image":
        """Returns one object alone, as an RGBA picture that is transparent elsewhere.

        Args:
            index: which mask.
            image: pixels to cut from; by default the picture of this result.
            crop: whether to keep only the box around the object.

        Raises:
            InputError: there is no image, or it is of another size, or no such mask.
        """
        from promptseg.masks.draw import cut_out

        count = len(self.segments)
        if not -count <= index < count:
            raise InputError(f"There is no mask {index}: this result has {count}.")
        return cut_out(self._pixels(image), self.segments.masks[index], crop=crop)

    def to_coco(self, image_id: int = 1, file_name: str = "", categories: Sequence[str] = ()) -> dict[str, Any]:
        """Returns a complete COCO instances record: images, annotations and categories.

        Args:
            image_id: the picture's number.
            file_name: its file.
            categories: names that have the first numbers, so that records of several pictures agree.
        """
        from promptseg.masks.records import coco_instances

        return coco_instances({image_id: self.coco_picture(file_name)}, categories=categories)

    def coco_picture(self, file_name: str = "") -> "CocoPicture":
        """Returns what a COCO record says of this picture."""
        from promptseg.masks.records import CocoPicture

        found = self.segments
        return CocoPicture(file_name, found.size, [*found.masks], found.scores.tolist(), [*found.labels])

    def to_records(self, output: "RecordOutput" = "coco_rle") -> list[dict[str, Any]]:
        """Returns one record per mask, with the keys of the official automatic mask generator.

        They are segmentation, area, bbox (x, y, width, height), predicted_iou, point_coords, stability_score and
        crop_box (x, y, width, height); see `promptseg.masks.records.generator_records`.

        Args:
            output: how a mask is written: "binary_mask" (H, W) bool, "uncompressed_rle" or "coco_rle".

        Raises:
            InputError: an unknown output.
        """
        from promptseg.masks.records import generator_records

        it = self.segments
        return generator_records(it.masks, it.scores, it.prompts, it.stability_scores, it.crop_boxes, output)

    def _pixels(self, image: Any) -> npt.NDArray[np.uint8]:
        from promptseg.masks.paint import as_pixels

        given = self.segments.image if image is None else image
        if given is None:
            raise InputError("This result does not hold its picture: give one with image=.")
        return as_pixels(given, self.segments.size)
