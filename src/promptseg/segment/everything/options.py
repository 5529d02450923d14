"""What can be set about automatic masks: the parameters and defaults of SAM's generator (specification A1.4)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError

Mode: TypeAlias = Literal["fast", "exact"]
"""How masks are found: "exact" as the official generator does, "fast" in a fraction of the time."""

Grid: TypeAlias = tuple[tuple[float, float], ...]
"""Points (x, y) as shares of the picture, from 0 to 1."""

MOST_POINTS_PER_SIDE = 1024
MOST_CROP_LAYERS = 6
"""Beyond these the work is a mistake: a million points, or thousands of crops."""

LEAST_TILE, MOST_TILE = 64, 65536


@dataclass(frozen=True, kw_only=True, slots=True)
class EverythingOptions:
    """Parameters of automatic mask generation; the defaults are those of SAM.

    The metadata of each field are its words on the command line (see `promptseg.cli.options`) and its range.

    Attributes:
        mode: "fast", or "exact" for the official procedure step by step, in float32.
        points_per_side: points along each side of the grid; None when `point_grids` are given.
        pred_iou_thresh: masks are kept whose predicted IoU is above it; 0 keeps all.
        stability_score_thresh: masks are kept whose stability is at least this; 0 keeps all.
        stability_score_offset: how far the threshold is shifted to measure the stability, in logits.
        box_nms_thresh: of two masks of one crop whose boxes have a larger IoU, the better stays.
        crop_n_layers: layers of crops that are searched besides the whole picture; layer i has 4**i crops.
        crop_nms_thresh: the same between crops, where the mask of the smaller crop stays.
        crop_overlap_ratio: how much crops overlap, as a share of the shorter side.
        crop_n_points_downscale_factor: layer i has points_per_side / factor**i points along each side.
        point_grids: own points, one (n, 2) array of x and y from 0 to 1 per layer, kept as plain tuples; excludes
            `points_per_side`.
        min_mask_region_area: holes and islands of fewer pixels are removed; 0 leaves masks as they are.
        tile: pictures longer than this, in pixels, are searched in overlapping tiles of this side too, and in coarser
            ones above them (see `promptseg.segment.tiling`); None searches the picture as a whole only. Between
            tiles masks, not boxes, compete, by `crop_nms_thresh`.
        tile_overlap: how much neighbouring tiles overlap at least, as a share of the tile, from 1/16 to 1/2.

    Raises:
        InputError: a value is impossible, or two exclude each other.
    """

    mode: Mode = field(default="fast", metadata={"help": "fast, or exact: the official procedure in float32."})
    points_per_side: int | None = field(
        default=32, metadata={"help": "Points along each side of the grid.", "range": (1, MOST_POINTS_PER_SIDE)}
    )
    pred_iou_thresh: float = field(  # predicted IoU is a regression and may exceed 1, so its threshold may too
        default=0.88, metadata={"help": "Keep masks with a higher predicted IoU.", "range": (0, 10)}
    )
    stability_score_thresh: float = field(
        default=0.95, metadata={"help": "Keep masks at least this stable.", "range": (0, 1)}
    )
    stability_score_offset: float = field(
        default=1.0, metadata={"help": "Shift of the threshold, in logits, to measure stability.", "range": (0, 1000)}
    )
    box_nms_thresh: float = field(
        default=0.7, metadata={"help": "Box IoU above which the better mask stays.", "range": (0, 1)}
    )
    crop_n_layers: int = field(
        default=0,
        metadata={"help": "Layers of crops to search too; layer i has 4^i crops.", "range": (0, MOST_CROP_LAYERS)},
    )
    crop_nms_thresh: float = field(
        default=0.7, metadata={"help": "The same between masks of different crops.", "range": (0, 1)}
    )
    crop_overlap_ratio: float = field(
        default=512 / 1500,
        metadata={"help": "Overlap of crops, as a share of the shorter side.", "shown": "512/1500", "range": (0, 1)},
    )
    crop_n_points_downscale_factor: int = field(
        default=1,
        metadata={"help": "Divides the points per side in each further layer.", "range": (1, MOST_POINTS_PER_SIDE)},
    )
    point_grids: Sequence[npt.ArrayLike] | None = field(
        default=None,
        metadata={
            "help": "JSON file of own points, instead of --points-per-side: one list of [x, y] from 0 to 1 per layer.",
            "metavar": "FILE",
        },
    )
    min_mask_region_area: int = field(
        default=0, metadata={"help": "Remove holes and islands of fewer pixels.", "range": (0, 2**31)}
    )
    tile: int | None = field(
        default=None,
        metadata={
            "help": "Search pictures longer than this many pixels in overlapping tiles of this side too: "
            "1024 is the model's own size.",
            "range": (LEAST_TILE, MOST_TILE),
        },
    )
    tile_overlap: float = field(
        default=0.25,
        metadata={"help": "Least overlap of tiles, as a share of the tile (1/16 to 1/2).", "range": (1 / 16, 1 / 2)},
    )

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InputError(f"Unknown mode {self.mode!r}: expected {' or '.join(get_args(Mode))}.")
        for item in fields(self):
            value, limits = getattr(self, item.name), item.metadata.get("range")
            if limits and (value is not None or item.type != int | None):
                _check(item.name, value, *limits, whole=item.type is not float)
        self._check_points()

    def _check_points(self) -> None:
        if (self.points_per_side is None) == (self.point_grids is None):
            raise InputError(
                "Give either points_per_side or point_grids, not both and not neither: with own grids set "
                "points_per_side=None."
            )
        if self.point_grids is not None:
            given: Any = self.point_grids
            if not isinstance(given, Sequence) or isinstance(given, str):
                raise InputError(f"point_grids must be a list of point grids, one per layer, got {str(given)[:80]!r}.")
            grids = tuple(_grid(grid) for grid in given)
            if len(grids) != self.crop_n_layers + 1:
                raise InputError(
                    f"crop_n_layers={self.crop_n_layers} needs {self.crop_n_layers + 1} point grids (the whole "
                    f"picture and one per layer), got {len(grids)}."
                )
            object.__setattr__(self, "point_grids", grids)
            return
        if self.points_of_layer(self.crop_n_layers) < 1:
            raise InputError(
                f"Layer {self.crop_n_layers} would have no points: points_per_side={self.points_per_side} is "
                f"divided by {self.crop_n_points_downscale_factor} in every layer. Use more points or fewer layers."
            )

    def points_of_layer(self, layer: int) -> int:
        """Returns the points along each side of the grid in a layer; 0 with own grids."""
        return int((self.points_per_side or 0) / self.crop_n_points_downscale_factor**layer)

    def changed(self, **overrides: Any) -> "EverythingOptions":
        """Returns a copy with some options changed.

        Raises:
            InputError: an unknown option, or an impossible value.
        """
        known = [item.name for item in fields(self)]
        for name in overrides:
            if name not in known:
                raise InputError(f"Unknown option {name!r}: expected one of {', '.join(known)}.")
        return replace(self, **overrides)


def check_tile(tile: Any) -> None:
    """Refuses sides of tiles that are no whole number of pixels, or out of all reason.

    Raises:
        InputError: it is refused.
    """
    _check("tile", tile, LEAST_TILE, MOST_TILE, whole=True)


def _check(name: str, value: Any, least: float, most: float, *, whole: bool) -> None:
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if not isinstance(value, kinds) or isinstance(value, bool) or not least <= value <= most:
        number = "whole number" if whole else "number"
        raise InputError(f"{name} must be a {number} from {least} to {most}, got {value!r}.")


def _grid(given: Any) -> Grid:
    try:
        points = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"A point grid must be an (n, 2) array of numbers, got {str(given)[:80]!r}.") from error
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise InputError(f"A point grid must be an (n, 2) array with at least one point, got shape {points.shape}.")
    if not ((points >= 0) & (points <= 1)).all():
        raise InputError("The points of a grid are shares of the picture, x and y from 0 to 1.")
    return tuple((float(x), float(y)) for x, y in points)
