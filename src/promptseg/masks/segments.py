"""`Segments`: the one container of results, N masks of one picture with what is known about each."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, Int64
from promptseg.errors import FormatError, InputError, shorten
from promptseg.geometry import Size
from promptseg.masks.overlap import mask_nms
from promptseg.masks.result import MaskResult
from promptseg.masks.rle import RLE

if TYPE_CHECKING:
    from promptseg.masks.paint import Colour

Index: TypeAlias = int | slice | Sequence[int] | Sequence[bool] | npt.NDArray[np.integer] | npt.NDArray[np.bool_]

_PER_MASK = ("scores", "labels", "prompts", "object_ids", "granularities", "colours")
_OPTIONAL_ARRAYS = ("low_res_logits", "stability_scores", "crop_boxes", "margins")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Segments(MaskResult):
    """N masks of one picture. An immutable value; every method that changes something returns a new one.

    Only `size` and `masks` are needed; a field left empty gets its default for each mask: score 1, no label,
    no prompts, object ids 0 to N-1, no granularity. Masks are compact run lengths; `dense()` makes pixels of
    them.

    Attributes:
        size: height and width of the picture.
        masks: the masks, as `RLE` values.
        scores: (N,) predicted quality of each mask.
        labels: what each mask shows, where known.
        prompts: the prompts that each mask answers.
        object_ids: (N,) which object of the request each mask answers.
        granularities: "part", "whole" and so on, where the model says so.
        low_res_logits: (N, 256, 256) decoder output, the memory for refinement, or None.
        image: uint8 (H, W, 3) pixels to draw on, by reference, or None; not part of equality.
        stability_scores: (N,) how little each mask depends on the threshold (specification A3.7), or None.
        crop_boxes: (N, 4) part of the picture (x0, y0, x1, y1) that each mask was found in, or None.
        margins: (N,) for masks that answer a single click, by how much IoU the mask is expected to fit better than the
            next one that differs (part, object or whole); near 0 the click was ambiguous. 1 where there was nothing to
            choose; None where no click was answered. Not part of what label files hold.
        colours: the colour that each mask is drawn in, where one was chosen; not part of equality.

    Raises:
        InputError: the fields do not fit together.
    """

    size: Size
    masks: tuple[RLE, ...] = ()
    scores: Float32 = field(default_factory=lambda: np.empty(0, np.float32))
    labels: tuple[str | None, ...] = ()
    prompts: tuple[tuple[Any, ...] | None, ...] = ()
    object_ids: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    granularities: tuple[str | None, ...] = ()
    low_res_logits: Float32 | None = None
    image: npt.NDArray[np.uint8] | None = None
    stability_scores: Float32 | None = None
    crop_boxes: Float32 | None = None
    margins: Float32 | None = None
    colours: "tuple[Colour | None, ...]" = ()

    def __post_init__(self) -> None:
        masks = tuple(self.masks)
        count = len(masks)
        values: dict[str, Any] = {
            "size": Size(*self.size),
            "masks": masks,
            "scores": _array(self.scores, np.float32, np.ones(count, np.float32)),
            "labels": tuple(self.labels) or (None,) * count,
            "prompts": tuple(self.prompts) or (None,) * count,
            "object_ids": _array(self.object_ids, np.int64, np.arange(count)),
            "granularities": tuple(self.granularities) or (None,) * count,
            "colours": tuple(self.colours) or (None,) * count,
        }
        for name in _OPTIONAL_ARRAYS:
            given = getattr(self, name)
            values[name] = None if given is None else _array(given, np.float32, None)
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check()

    def _check(self) -> None:
        for name in _PER_MASK:
            if len(getattr(self, name)) != len(self.masks):
                raise InputError(f"{len(self.masks)} masks need as many {name}, got {len(getattr(self, name))}.")
        if any(mask.size != self.size for mask in self.masks):
            raise InputError(f"Every mask must have the size of the picture, {tuple(self.size)}.")
        logits = self.low_res_logits
        if logits is not None and (logits.ndim != 3 or len(logits) != len(self.masks)):
            raise InputError(f"{len(self.masks)} masks need (N, 256, 256) low-res logits, got shape {logits.shape}.")
        for name, shape in (("stability_scores", ()), ("crop_boxes", (4,)), ("margins", ())):
            given = getattr(self, name)
            if given is not None and given.shape != (len(self.masks), *shape):
                raise InputError(
                    f"{len(self.masks)} masks need {name} of shape {(len(self.masks), *shape)}, got {given.shape}."
                )

    @property
    def segments(self) -> "Segments":
        """These masks: what other kinds of results have, too."""
        return self

    @classmethod
    def empty(cls, size: tuple[int, int]) -> "Segments":
        """Returns no masks of a picture of `size` (height, width)."""
        return cls(Size(*size))

    @classmethod
    def concatenate(cls, parts: "Sequence[Segments]") -> "Segments":
        """Joins the masks of several results of one picture, in order.

        Low-res logits, stability scores, crop boxes and margins are kept only when every part that has masks has them.

        Raises:
            InputError: there are no parts, or they are of pictures of different sizes.
        """
        if not parts or len({part.size for part in parts}) > 1:
            sizes = [tuple(part.size) for part in parts]
            raise InputError(f"Only results of one picture can be joined, got the sizes {sizes}.")
        return cls(
            parts[0].size,
            tuple(mask for part in parts for mask in part.masks),
            np.concatenate([part.scores for part in parts]),
            tuple(label for part in parts for label in part.labels),
            tuple(prompts for part in parts for prompts in part.prompts),
            np.concatenate([part.object_ids for part in parts]),
            tuple(granularity for part in parts for granularity in part.granularities),
            image=next((part.image for part in parts if part.image is not None), None),
            colours=tuple(colour for part in parts for colour in part.colours),
            **{name: _joined(parts, name) for name in _OPTIONAL_ARRAYS},
        )

    def replace(self, **changes: Any) -> "Segments":
        """Returns a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def with_labels(self, labels: Sequence[str | None] | str | None) -> "Segments":
        """Returns a copy with these labels; one label is given to every mask."""
        if labels is None or isinstance(labels, str):
            labels = (labels,) * len(self)
        return self.replace(labels=tuple(labels))

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: Index) -> "Segments":
        """Returns the chosen masks as `Segments`, even when it is only one."""
        positions = self.positions(index)
        chosen = np.array(positions, np.int64)
        return self.replace(
            masks=tuple(self.masks[i] for i in positions),
            scores=_frozen(self.scores[chosen]),
            labels=tuple(self.labels[i] for i in positions),
            prompts=tuple(self.prompts[i] for i in positions),
            object_ids=_frozen(self.object_ids[chosen]),
            granularities=tuple(self.granularities[i] for i in positions),
            colours=tuple(self.colours[i] for i in positions),
            **{name: _rows(getattr(self, name), chosen) for name in _OPTIONAL_ARRAYS},
        )

    def positions(self, index: Index) -> list[int]:
        """Returns which masks an index means, counted from 0."""
        return np.atleast_1d(np.arange(len(self))[_as_index(index)]).tolist()

    def __iter__(self) -> "Iterator[Segments]":
        return (self[position] for position in range(len(self)))

    def sorted_by(self, key: Literal["score", "area"]) -> "Segments":
        """Returns the masks in falling order of score or area; equal ones keep their order."""
        if key not in ("score", "area"):
            raise InputError(f'Masks are sorted by "score" or "area", got {key!r}.')
        return self[np.argsort(-(self.scores if key == "score" else self.areas), kind="stable")]

    def nms(self, iou: float = 0.7) -> "Segments":
        """Drops every mask whose IoU with a better one exceeds `iou`; returns the rest, best first."""
        return self[mask_nms(self.masks, self.scores, iou)]

    @classmethod
    def from_coco(cls, record: Any, image_id: int | None = None) -> "Segments":
        """Reads the masks of one image of a COCO instances record.

        Args:
            record: the parsed JSON.
            image_id: which image; may be left out when there is only one.

        Raises:
            FormatError: the record is malformed.
        """
        by_image = cls.all_from_coco(record)
        if image_id is None:
            if len(by_image) != 1:
                raise FormatError(f"This COCO record holds {len(by_image)} images: say which with image_id=.")
            (image_id,) = by_image
        if image_id not in by_image:
            raise FormatError(f"This COCO record has no image with id {image_id}; it has {shorten(list(by_image))}.")
        return by_image[image_id][1]

    @classmethod
    def all_from_coco(cls, record: Any) -> "dict[int, tuple[str, Segments]]":
        """Reads every image of a COCO instances record.

        Returns:
            Image id to (file name, masks), in the order of the record.

        Raises:
            FormatError: the record is malformed.
        """
        from promptseg.masks.records import read_coco_instances

        return {
            image_id: (name, cls(size, tuple(masks), np.array(scores, np.float32), tuple(labels)))
            for image_id, (name, size, masks, scores, labels) in read_coco_instances(record).items()
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segments):
            return NotImplemented
        same = all(getattr(self, name) == getattr(other, name) for name in ("size", "masks", "labels", "prompts"))
        arrays = ("scores", "object_ids", "granularities", *_OPTIONAL_ARRAYS)
        return same and all(_same(getattr(self, name), getattr(other, name)) for name in arrays)

    def __hash__(self) -> int:
        return hash((self.size, self.masks, self.labels))

    def __repr__(self) -> str:
        named = sorted({label for label in self.labels if label is not None})
        return f"Segments({len(self)} masks of {self.size.height} x {self.size.width}, labels={named})"


def _array(given: Any, dtype: Any, default: Any) -> npt.NDArray[Any]:
    """Returns a read-only array; a writable one is copied first, so that the caller's stays writable."""
    array = np.asarray(given, dtype)
    if array.size == 0 and default is not None:
        array = np.asarray(default, dtype)
    if array.flags.writeable:
        array = array.copy() if array is given or array.base is not None else array
        array.flags.writeable = False
    return array


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Marks a new array read-only, which spares it the copy."""
    array.flags.writeable = False
    return array


def _rows(array: npt.NDArray[Any] | None, chosen: Int64) -> npt.NDArray[Any] | None:
    return None if array is None else _frozen(array[chosen])


def _joined(parts: Sequence[Segments], name: str) -> npt.NDArray[Any] | None:
    """Joins an optional field of the parts that have masks; None when one of them lacks it."""
    arrays = [getattr(part, name) for part in [part for part in parts if len(part)] or parts]
    return None if any(array is None for array in arrays) else _frozen(np.concatenate(arrays))


def _same(a: Any, b: Any) -> bool:
    return a is b if a is None or b is None else np.array_equal(a, b)


def _as_index(index: Any) -> Any:
    if isinstance(index, list | tuple) and not index:
        return np.empty(0, np.int64)
    return np.asarray(index) if isinstance(index, list | tuple) else index
