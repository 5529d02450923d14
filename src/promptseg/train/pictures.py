"""Labelled pictures ready for training a decoder: embedded once, objects drawn onto the decoder's grid.

Each picture becomes a file of its own, so that a long preparation goes on where it stopped.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32
from promptseg.datasets.samples import Dataset, Sample
from promptseg.errors import FormatError, InputError, WeightsError
from promptseg.files import atomic_write
from promptseg.geometry import MaskGrid, ResizeFrame
from promptseg.images import Image, preprocess
from promptseg.masks.upsample import downsample_mask
from promptseg.progress import Progress
from promptseg.runtimes.protocol import Runtime
from promptseg.train.log import say

LEAST_CELLS = 6
"""Objects of fewer cells of the grid are too small to learn from."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One picture.

    Attributes:
        features: (1, 256, 64, 64) embedding, or None for one that is embedded anew each time.
        masks: (T, 256, 256) which share of each cell an object covers, over the padded frame.
        counted: (256, 256) 1 where the truth is known, 0 in the padding and where it is ignored.
        picture: where the picture is.
        extent: rows and columns of the grid that the picture takes; the rest is padding.
    """

    features: Float32 | None
    masks: Float32
    counted: Float32
    picture: Path
    extent: tuple[int, int] = (MaskGrid.SIDE, MaskGrid.SIDE)

    def encoder_input(self) -> Float32:
        """Returns the normalised, padded picture (1, 3, 1024, 1024)."""
        image = Image.open(self.picture)
        return preprocess(image, ResizeFrame.fit(image.size))


def cache_in(data: Path, cache: str | None) -> Path:
    """Returns the folder for what is prepared: by default `.promptseg-train` in that of the data."""
    return Path(cache) if cache else data / ".promptseg-train"


def prepare(
    dataset: Dataset,
    folder: Path,
    embed: Callable[[Image], Float32] | None,
    *,
    name: str,
    objects: int = 8,
    pictures: int | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Writes a file for every picture of a dataset that has a usable object, unless it is there already.

    Args:
        dataset: the pictures and their objects.
        folder: where the files go.
        embed: embeds a picture, (1, 256, 64, 64); None leaves that to the training.
        name: begins the files' names.
        objects: the most objects of one picture; more are drawn from, always the same ones.
        pictures: the most pictures, evenly strided.
        progress: called with pictures done and in all.

    Raises:
        InputError: no picture has a usable object.
        FormatError: a label does not fit its picture.
        OutputError: a file cannot be written.
    """
    total = len(dataset.samples)
    count = total if pictures is None else min(pictures, total)
    chosen = [index * total // count for index in range(count)] if count else []
    found: list[Path] = []
    for done, index in enumerate(chosen, 1):
        sample = dataset.samples[index]
        target = folder / f"{name}_{index:05d}.npz"
        if target.exists() or _write(target, sample, embed, objects, index):
            found.append(target)
        if progress is not None:
            progress(done, count)
    if not found:
        raise InputError(
            f"{dataset.name} has no object of at least {LEAST_CELLS} cells of the 256 x 256 grid: nothing to learn."
        )
    return found


def embedder(runtime: Runtime) -> Callable[[Image], Float32]:
    """Returns what embeds a picture with an engine, for `prepare`."""
    return lambda image: runtime.encode(preprocess(image, ResizeFrame.fit(image.size)))


def read(path: Path) -> Lesson:
    """Reads what `prepare` wrote.

    Raises:
        WeightsError: the file is damaged.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            height, width = (-(-int(side) // MaskGrid.CELL) for side in stored["resized"])
            counted = 1 - stored["ignore"].astype(np.float32) / 255
            counted[height:], counted[:, width:] = 0, 0
            features = stored["features"].astype(np.float32)[None] if "features" in stored else None
            masks = stored["masks"].astype(np.float32) / 255
            return Lesson(features, masks, counted, Path(str(stored["picture"])), (height, width))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise WeightsError(f"{path} is damaged: {error}. Remove it; it will be made again.") from error


def record(
    paths: Sequence[Path],
    subjects: Sequence[T],
    make: Callable[[T, np.random.Generator], Mapping[str, npt.ArrayLike]],
    what: str,
) -> None:
    """Writes files of arrays (`numpy.load` reads them) that are not there yet; each is either whole or not there.

    Args:
        paths: the files.
        subjects: what each is about.
        make: makes the content of one, with chance that is always the same for a file's name.
        what: tells a terminal what is done.

    Raises:
        OutputError: a file cannot be written.
    """
    tell = say(what)
    for done, (path, subject) in enumerate(zip(paths, subjects, strict=True), 1):
        if not path.exists():
            _store(path, make(subject, np.random.default_rng(zlib.crc32(path.stem.encode()))))
        tell(done, len(paths))


def ious(masks: npt.NDArray[Any], truth: npt.NDArray[Any], counted: npt.NDArray[Any]) -> Float32:
    """Returns the IoU of masks (M, H, W) with an object (H, W), where cells count (H, W)."""
    both = (masks * truth * counted).sum((1, 2))
    either = (masks * counted).sum((1, 2)) + (truth * counted).sum() - both
    return (both / np.maximum(either, 1e-6)).astype(np.float32)


def split(paths: Sequence[T], share: float) -> tuple[list[T], list[T]]:
    """Parts what there is into what to train on and what is held out, evenly strided; some of each if there are two."""
    count = min(len(paths) - 1, max(1, round(share * len(paths)))) if share else 0
    held = {(2 * index + 1) * len(paths) // (2 * count) for index in range(count)}
    train = [path for index, path in enumerate(paths) if index not in held]
    return train, [paths[index] for index in sorted(held)]


def _write(target: Path, sample: Sample, embed: Callable[[Image], Float32] | None, objects: int, seed: int) -> bool:
    image = Image.open(sample.picture)
    frame = ResizeFrame.fit(image.size)
    targets = list(sample.targets)
    if len(targets) > objects:
        random = np.random.default_rng(seed)
        targets = [targets[i] for i in sorted(random.choice(len(targets), objects, replace=False).tolist())]
    masks: list[npt.NDArray[np.uint8]] = []
    ignore = np.zeros((MaskGrid.SIDE, MaskGrid.SIDE), np.uint8)
    for item in targets:
        mask = item.mask()
        if mask.shape != tuple(image.size):
            raise FormatError(
                f"{sample.picture} is {image.size.width} x {image.size.height} pixels, but the mask of "
                f"{item.name!r} is {mask.shape[1]} x {mask.shape[0]}."
            )
        cells = _cells(mask, frame)
        if np.count_nonzero(cells > 127) >= LEAST_CELLS:
            masks.append(cells)
            if (unknown := item.ignored()) is not None:
                ignore = np.maximum(ignore, _cells(unknown, frame))
    if not masks:
        return False
    content: dict[str, Any] = {
        "masks": np.stack(masks),
        "ignore": ignore,
        "resized": np.array(frame.resized),
        "picture": str(sample.picture),
    }
    if embed is not None:
        content["features"] = embed(image)[0].astype(np.float16)
    _store(target, content)
    return True


def _store(path: Path, content: Mapping[str, npt.ArrayLike]) -> None:
    arrays: dict[str, Any] = {name: np.asarray(array) for name, array in content.items()}
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def _cells(mask: npt.NDArray[np.bool_], frame: ResizeFrame) -> npt.NDArray[np.uint8]:
    return np.round(downsample_mask(mask.astype(np.float32), frame) * 255).astype(np.uint8)
