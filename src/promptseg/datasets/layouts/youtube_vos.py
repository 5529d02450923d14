"""YouTube-VOS and MOSE: videos of which some frames have maps of numbered objects, which may come in later."""

from pathlib import Path

from promptseg.datasets.layouts.davis import frame_targets
from promptseg.datasets.layouts.layout import Content, Layout, Reader
from promptseg.datasets.samples import Sample
from promptseg.errors import FormatError

_PARTS = ("valid", "val", "train")


def find_videos(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `JPEGImages/<video>/` with `Annotations/<video>/`, in the folder itself or in that of a split."""
    parts = _PARTS if split is None else (split,)
    for base in (root, *(root / part for part in parts)):
        pictures, labels = base / "JPEGImages", base / "Annotations"
        if pictures.is_dir() and labels.is_dir() and any(any(folder.glob("*.png")) for folder in _folders(labels)):
            return lambda: Content(_videos(pictures, labels))
    return None


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir())


def _videos(pictures: Path, labels: Path) -> tuple[Sample, ...]:
    samples: list[Sample] = []
    for folder in _folders(labels):
        maps = {path.stem: path for path in folder.glob("*.png")}
        frames = {path.stem: path for path in (pictures / folder.name).glob("*.jpg")}
        if missing := sorted(maps.keys() - frames.keys()):
            label = maps[missing[0]]
            raise FormatError(f"{label} has no picture: expected {pictures / folder.name / f'{label.stem}.jpg'}.")
        for stem, picture in sorted(frames.items()):
            targets = frame_targets(maps[stem]) if stem in maps else ()
            name = f"{folder.name}/{stem}"
            samples.append(Sample(picture, name, targets, sequence=folder.name, labelled=stem in maps))
    return tuple(samples)


_FORM = "JPEGImages/<video>/ + Annotations/<video>/, not every frame of which is labelled (YouTube-VOS, MOSE)"

LAYOUTS = (Layout("youtube-vos", "frames", _FORM, find_videos),)
