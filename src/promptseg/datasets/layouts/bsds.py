"""BSDS500, the boundary benchmark: for every picture, the outlines that several people drew."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from promptseg.arrays import BoolArray
from promptseg.datasets.layouts.layout import Content, Layout, Reader
from promptseg.datasets.layouts.pictures import pictures_in, read_matlab
from promptseg.datasets.samples import Sample
from promptseg.errors import FormatError


def find_bsds(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `images/` with `truth/*.npz`, and BSDS500's own `images/test/` with `groundTruth/test/*.mat`.

    In the former, `boundaries` (annotators, H, bytes) are packed along the width and `width` says how many bits count.
    The latter may also be inside `data/` or without the split's folder.
    """
    name = split or "test"
    for base in (root, root / "data", root / "BSDS500" / "data"):
        for pictures, labels, ending, read in (
            ("images", "truth", "npz", _read_packed),
            (f"images/{name}", f"groundTruth/{name}", "mat", _read_matlab),
            ("images", "groundTruth", "mat", _read_matlab),
        ):
            found = sorted((base / labels).glob(f"*.{ending}"))
            if found:
                return lambda found=found, base=base, pictures=pictures, read=read: Content(
                    _pairs(found, pictures_in(base / pictures), read)
                )
    return None


def _pairs(
    labels: list[Path], pictures: dict[str, Path], read: Callable[[Path], list[BoolArray]]
) -> tuple[Sample, ...]:
    samples: list[Sample] = []
    for label in labels:
        if label.stem not in pictures:
            raise FormatError(f"{label} has no picture of the name {label.stem!r}.")
        samples.append(Sample(pictures[label.stem], label.stem, (), outlines=lambda label=label: read(label)))
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
    def boundaries(variables: Any) -> list[BoolArray]:
        return [np.asarray(cell["Boundaries"][0, 0]) > 0 for cell in variables["groundTruth"].ravel()]

    return read_matlab(path, boundaries, "a BSDS500 groundTruth file")


_FORM = "images/ + truth/*.npz, or images/test + groundTruth/test/*.mat"

LAYOUTS = (Layout("bsds500", "outlines", _FORM, find_bsds),)
