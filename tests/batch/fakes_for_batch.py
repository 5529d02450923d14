"""A labeler without a network, for tests of everything around it; worker processes import it from here."""

import os
import signal
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from promptseg import Image, Point
from promptseg.batch.labeler import Labeler, LabelerSettings
from promptseg.batch.sources import Item
from promptseg.formats.sa1b import image_id_of, sa1b_text
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments


class QuickLabeler(Labeler):
    """The bright and the dark half of a picture are its masks. Some names make it misbehave."""

    def __init__(self, settings: LabelerSettings) -> None:
        self.settings = settings

    def label(self, name, source):
        if "deadly" in name:
            os.kill(os.getpid(), signal.SIGKILL)
        if "unlucky" in name and not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if "odd" in name:
            raise ZeroDivisionError("odd")
        if "huge" in name:
            raise MemoryError
        picture = Image.open(bytes(source) if isinstance(source, bytes) else source)
        grey = picture.pixels.mean(axis=2)
        masks = [RLE.encode(grey > 127), RLE.encode(grey <= 127)]
        segments = Segments(picture.size, masks, stability_scores=np.ones(2, np.float32), prompts=((Point(1, 1),),) * 2)
        return sa1b_text(segments, Path(name).name, image_id_of(name))


class RefusingLabeler(QuickLabeler):
    def __init__(self, settings):
        from promptseg.errors import WeightsError

        raise WeightsError("There are no weights here.")


class DyingLabeler(QuickLabeler):
    def __init__(self, settings):
        os._exit(7)


def make_pictures(folder: Path, count: int) -> list[Item]:
    """Writes small pictures, all different."""
    rng = np.random.default_rng(0)
    items = []
    for number in range(count):
        path = folder / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).save(path)
        items.append(Item(path.name, str(path)))
    return items


def records_in(folder: Path) -> dict[str, bytes]:
    """Returns the content of every file in a folder but the manifest."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.jsonl"
    }
