"""What can be chosen of how masks are written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from promptseg.errors import InputError
from promptseg.masks.records import HALF_A_PIXEL

COCO_FORMS = ("rle", "polygons")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How masks are written.

    Attributes:
        tolerance: how many pixels polygons may lie off the outlines of masks; 0 is exact.
        coco: whether COCO holds masks as run lengths ("rle", exact) or as "polygons".
        classes: the classes by number, where the folder of the files does not say; new labels come after them.
        source: the picture's file, which labelme's files point to.

    Raises:
        InputError: a tolerance that is none, or an unknown form.
    """

    tolerance: float = field(
        default=HALF_A_PIXEL,
        metadata={
            "help": "Polygons (yolo, labelme, svg, coco) may lie so many pixels off; 0 is exact. An outline of 838 "
            "points becomes one of 438 with 0.5 (IoU 0.9999), of 209 with 1 (IoU 0.994)."
        },
    )
    coco: str = field(default="rle", metadata={"help": "COCO's masks: rle (exact) or polygons."})
    classes: Sequence[str] | None = None
    source: Path | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and 0 <= self.tolerance <= 1000):
            raise InputError(f"A tolerance is a number of pixels from 0 (exact) to 1000, got {self.tolerance}.")
        if self.coco not in COCO_FORMS:
            raise InputError(f"COCO holds masks as {' or '.join(COCO_FORMS)}, got {self.coco!r}.")

    @property
    def polygons(self) -> float | None:
        """The tolerance of COCO's polygons; None for run lengths."""
        return self.tolerance if self.coco == "polygons" else None
