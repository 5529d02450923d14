"""DAVIS 2016 and 2017: videos whose frames have numbered objects; also frames alone, as sets of objects."""

import re
from dataclasses import replace
from pathlib import Path

from promptseg.datasets.layouts.layout import Content, Layout, Reader
from promptseg.datasets.layouts.pictures import binary_targets, numbered_targets, pictures_in, read_pairs, read_values
from promptseg.datasets.samples import Sample, Target
from promptseg.errors import FormatError
from promptseg.formats.reading import read_text

_SIZES = ("480p", "1080p", "Full-Resolution")
_YEARS = ("2017", "2016", "480p")
_FRAME = re.compile(r"(.+)_(\d+)")


def find_frames(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `JPEGImages/480p/<video>/` with `Annotations/480p/<video>/`, and `images/` with `masks/`.

    In the latter, frames are called `<video>_<number>`.
    """
    found = _folders(root)
    if found is not None:
        return lambda: Content(_videos(found[1], found[2], _split(found[0], split)))
    pictures, labels = root / "images", root / "masks"
    if pictures.is_dir() and labels.is_dir() and any(map(_FRAME.fullmatch, pictures_in(labels))):
        return lambda: Content(_flat_videos(pictures, labels))
    return None


def find_objects(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `JPEGImages/480p/` with `Annotations/480p/`: every object of every frame."""
    found = _folders(root)
    return None if found is None else lambda: _read_objects(*found, split)


def _folders(root: Path) -> tuple[Path, Path, Path] | None:
    """Returns the base, and the folders of pictures and labels in it."""
    for base in (root, root / "DAVIS"):
        for size in _SIZES:
            pictures, labels = base / "JPEGImages" / size, base / "Annotations" / size
            if pictures.is_dir() and labels.is_dir():
                return base, pictures, labels
    return None


def _read_objects(base: Path, pictures: Path, labels: Path, split: str | None) -> Content:
    samples, videos = read_pairs(pictures, labels, frame_targets), _split(base, split)
    return Content(tuple(sample for sample in samples if videos is None or sample.name.split("/")[0] in videos))


def frame_targets(path: Path) -> tuple[Target, ...]:
    """Reads a frame's label: white on black is one object, other numbers are one object each."""
    values = read_values(path)
    if values.max(initial=0) >= 128:
        return binary_targets(path)
    return numbered_targets(values, "object {}".format)


def _split(base: Path, split: str | None) -> frozenset[str] | None:
    """Returns the videos of a split, or None when there are no lists."""
    for year in _YEARS:
        folder = base / "ImageSets" / year
        file = folder / f"{split or 'val'}.txt"
        if file.is_file():
            lines = read_text(file).split()
            # DAVIS 2016 lists pairs of files, DAVIS 2017 names of videos.
            return frozenset(line.strip("/").split("/")[-2] if "/" in line else line for line in lines)
    if split is not None:
        raise FormatError(f"{base} has no list of the split {split!r} in ImageSets/.")
    return None


def _videos(pictures: Path, labels: Path, videos: frozenset[str] | None) -> tuple[Sample, ...]:
    samples: list[Sample] = []
    for folder in sorted(path for path in labels.iterdir() if path.is_dir()):
        if videos is not None and folder.name not in videos:
            continue
        for label in sorted(folder.glob("*.png")):
            picture = pictures / folder.name / f"{label.stem}.jpg"
            if not picture.is_file():
                raise FormatError(f"{label} has no picture: expected {picture}.")
            name = f"{folder.name}/{label.stem}"
            samples.append(Sample(picture, name, frame_targets(label), sequence=folder.name))
    return tuple(samples)


def _flat_videos(pictures: Path, labels: Path) -> tuple[Sample, ...]:
    return tuple(
        replace(sample, sequence=frame[1])
        for sample in read_pairs(pictures, labels, frame_targets)
        if (frame := _FRAME.fullmatch(sample.name)) is not None
    )


_OBJECTS = "JPEGImages/480p + Annotations/480p (every object of every frame)"
_FRAMES = "JPEGImages/480p/<video>/ + Annotations/480p/<video>/, or images/<video>_<number> + masks/"

LAYOUTS = (Layout("davis", "objects", _OBJECTS, find_objects), Layout("davis", "frames", _FRAMES, find_frames))
