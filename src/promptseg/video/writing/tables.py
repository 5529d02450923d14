"""Files of numbers: YouTube-VIS's and COCO-VID's JSON, MOT's boxes, CSV."""

import csv
import io
import json
from typing import Any

from promptseg.files import write_bytes
from promptseg.video.track import TrackedFrame
from promptseg.video.writing.writer import ClipWriter


class VisWriter(ClipWriter):
    """YouTube-VIS JSON: an annotation of each object, with a mask of each frame or null.

    The annotations have the fields of COCO-VID beside them (`track_id`), and each its score.
    """

    ending, help = ".json", "masks as JSON in the layout of YouTube-VIS, with each object's name and confidence"

    def begin(self) -> None:
        """Makes room for the objects."""
        self._names: list[str] = []
        self._numbers: list[int] = []
        self._seconds: list[float] = []
        self._found: dict[int, list[tuple[dict[str, Any], list[int], int, float] | None]] = {
            key: [] for key in self.about.labels
        }

    def add(self, item: TrackedFrame) -> None:
        """Takes the masks of the next frame."""
        self._names.append(self.about.clip.stem(item.number))
        self._numbers.append(item.number)
        self._seconds.append(round(item.seconds, 6))
        found = item.segments
        here: dict[int, tuple[dict[str, Any], list[int], int, float]] = {}
        for key, mask, score in zip(found.object_ids.tolist(), found.masks, found.scores.tolist(), strict=True):
            x0, y0, x1, y1 = mask.box
            here[key] = (mask.to_coco(), [x0, y0, x1 - x0, y1 - y0], mask.area, round(score, 4))
        for key, entries in self._found.items():
            entries.append(here.get(key))

    def end(self) -> None:
        """Writes the record."""
        write_bytes(self.target, json.dumps(self.record()).encode())

    def record(self) -> dict[str, Any]:
        """Returns the record of the frames so far."""
        height, width = self.about.clip.size
        kinds = {name: number for number, name in enumerate(dict.fromkeys(self.about.labels.values()), start=1)}
        return {
            "info": {"description": "objects followed by promptseg"},
            "videos": [
                {
                    "id": 1,
                    "width": width,
                    "height": height,
                    "length": len(self._names),
                    "file_names": self._names,
                    "frame_numbers": self._numbers,
                    "seconds": self._seconds,
                }
            ],
            "categories": [{"id": number, "name": name} for name, number in kinds.items()],
            "annotations": [
                {
                    "id": self.about.places[key],
                    "video_id": 1,
                    "track_id": key,
                    "category_id": kinds[self.about.labels[key]],
                    "iscrowd": 0,
                    "width": width,
                    "height": height,
                    "score": round(_mean([each[3] for each in entries if each]), 4),
                    "segmentations": [each and each[0] for each in entries],
                    "bboxes": [each and each[1] for each in entries],
                    "areas": [each and each[2] for each in entries],
                    "scores": [each and each[3] for each in entries],
                }
                for key, entries in self._found.items()
            ],
        }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


class _LineWriter(ClipWriter):
    header: tuple[str, ...] = ()

    def begin(self) -> None:
        """Begins the table."""
        self._text = io.StringIO(newline="")
        self._lines = csv.writer(self._text, lineterminator="\n")
        if self.header:
            self._lines.writerow(self.header)

    def end(self) -> None:
        """Writes the table."""
        write_bytes(self.target, self._text.getvalue().encode())


class MotWriter(_LineWriter):
    """MOT's text: frame from 1, identity from 1, left, top, width, height, confidence, -1, -1, -1."""

    ending, help = "_mot.txt", "boxes in MOTChallenge's layout"

    def add(self, item: TrackedFrame) -> None:
        """Writes the boxes of the next frame."""
        found = item.segments
        for key, mask, score in zip(found.object_ids.tolist(), found.masks, found.scores.tolist(), strict=True):
            x0, y0, x1, y1 = mask.box
            row = (item.number + 1, self.about.places[key], x0, y0, x1 - x0, y1 - y0, f"{score:.4f}", -1, -1, -1)
            self._lines.writerow(row)


class CsvWriter(_LineWriter):
    """A line for each object on each frame."""

    ending, help = ".csv", "a line for each object on each frame: time, confidence, area, box"
    header = ("frame", "seconds", "object", "label", "score", "area", "x0", "y0", "x1", "y1")

    def add(self, item: TrackedFrame) -> None:
        """Writes the objects of the next frame."""
        found = item.segments
        for key, mask, score in zip(found.object_ids.tolist(), found.masks, found.scores.tolist(), strict=True):
            label = self.about.labels[key]
            self._lines.writerow((item.number, f"{item.seconds:.3f}", key, label, f"{score:.4f}", mask.area, *mask.box))


class SessionWriter(ClipWriter):
    """The session, to go on from: prompts and masks as JSON."""

    ending, help = "_session.json", "prompts and masks, to go on from with --session"

    def add(self, item: TrackedFrame) -> None:
        """Needs no frames."""

    def end(self) -> None:
        """Writes the record."""
        write_bytes(self.target, json.dumps(self.about.session()).encode())
