"""Reads the truth of the boundary benchmark: for every picture, the outlines that several annotators drew."""

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptseg.arrays import BoolArray
from promptseg.datasets.layouts.pictures import pictures_in
from promptseg.errors import FormatError, InputError, UnavailableError

_LAYOUTS = (
    "images/ + truth/*.npz (bits packed along the width), or images/test + groundTruth/test/*.mat (BSDS500)"
)


@dataclass(frozen=True, slots=True, eq=False)
class EdgeSample:
    """One picture.

    Attributes:
        picture: where it is.
        name: its name within the dataset.
        read: returns the outlines (H, W), one per annotator.
    """

    picture: Path
    name: str
    read: Callable[[], list[BoolArray]]


def open_edge_dataset(path: str | os.PathLike[str], *, limit: int | None = None) -> tuple[EdgeSample, ...]:
    """Opens a folder of pictures with outlines.

    Two layouts are read: `images/` with `truth/*.npz`, whose `boundaries` (annotators, H, bytes) are packed along
    the width and `width` says how many bits count; and that of BSDS500 itself, `images/test/` with
    `groundTruth/test/*.mat`, also inside `data/` or without the split's folder.

    Args:
        path: the folder.
        limit: keep at most so many pictures, evenly strided over the set.

    Raises:
        InputError: the folder does not exist, or the limit is not positive.
        FormatError: the layout is not known, or a label has no picture.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(
            f"A dataset is a folder, but {root} {'is a file' if root.exists() else 'does not exist'}."
        )
    if limit is not None and limit < 1:
        raise InputError(f"The limit of pictures must be at least 1, got {limit}.")
    samples = find_outlines(root)
    if samples is None:
        raise FormatError(
            f"{root} holds no outlines to compare edges with. Layouts that are read: {_LAYOUTS}."
        )
    if limit is None or limit >= len(samples):
        return samples
    return tuple(samples[position * len(samples) // limit] for position in range(limit))


def find_outlines(root: Path, split: str = "test") -> tuple[EdgeSample, ...] | None:
    """Returns the pictures with outlines in a folder, or None when it has none (see `open_edge_dataset`)."""
    for base in (root, root / "data", root / "BSDS500" / "data"):
        for pictures, labels, ending, read in (
            ("images", "truth", "npz", _read_packed),
            (f"images/{split}", f"groundTruth/{split}", "mat", _read_matlab),
            ("images", "groundTruth", "mat", _read_matlab),
        ):
            found = sorted((base / labels).glob(f"*.{ending}"))
            if found:
                return _pairs(found, pictures_in(base / pictures), read)
    return None


def _pairs(
    labels: list[Path], pictures: dict[str, Path], read: Callable[[Path], list[BoolArray]]
) -> tuple[EdgeSample, ...]:
    samples: list[EdgeSample] = []
    for label in labels:
        if label.stem not in pictures:
            raise FormatError(f"{label} has no picture of the name {label.stem!r}.")
        samples.append(EdgeSample(pictures[label.stem], label.stem, lambda label=label: read(label)))
    return tuple(samples)


def _read_packed(path: Path) -> list[BoolArray]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content:
            packed, width = np.asarray(content["boundaries"]), int(content["width"])
        if packed.ndim != 3 or packed.dtype != np.uint8 or packed.shape[2] != -(-width // 8):
            raise ValueError(f"boundaries of shape {packed.shape}, {packed.dtype}, do not fit width {width}")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"{path} is not a file of outlines ({error}): expected boundaries (annotators, H, bytes) and width."
        ) from error
    return list(np.unpackbits(packed, axis=2)[:, :, :width].astype(np.bool_))


def _read_matlab(path: Path) -> list[BoolArray]:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise UnavailableError.extra("SciPy", "evaluate") from error
    try:
        cells: Any = loadmat(path)["groundTruth"].ravel()
        return [np.asarray(cell["Boundaries"][0, 0]) > 0 for cell in cells]
    except Exception as error:  # loadmat lets many kinds of errors out of damaged files
        raise FormatError(f"{path} is not a BSDS500 groundTruth file ({error}).") from error
