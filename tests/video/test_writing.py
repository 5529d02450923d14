"""What is written of a clip: films that can be read again, DAVIS's PNG, YouTube-VIS, MOT, CSV; all or nothing."""

import csv
import json

import numpy as np
import pytest
from drawn import BLUE, RED, box, disc, painted
from PIL import Image

from promptseg.errors import InputError, OutputError
from promptseg.masks.rle import RLE
from promptseg.video.clips import ClipLimits, Selection, open_clip
from promptseg.video.clips.pictures import PicturesClip
from promptseg.video.objects import TrackedObject
from promptseg.video.track import VideoTrack
from promptseg.video.writing import WRITERS, write_track
from promptseg.video.writing.table import check_places

FRAMES = 4


@pytest.fixture
def track(segmenter) -> VideoTrack:
    """A track whose masks are known: a disc that is gone on the third frame, and a box."""
    discs = [disc(50 + 10 * number, 60, 20) for number in range(FRAMES)]
    boxes = [box(150, 60, 15)] * FRAMES
    pictures = [painted((one, RED), (other, BLUE)) for one, other in zip(discs, boxes, strict=True)]
    track = VideoTrack(segmenter, PicturesClip(pictures, Selection(), ClipLimits()))
    masks = {number: (RLE.encode(each & (number != 2)), 0.5) for number, each in enumerate(discs)}
    track._objects[1] = TrackedObject("ball", masks=masks)
    track._objects[4] = TrackedObject(
        None, masks={number: (RLE.encode(each), 0.75) for number, each in enumerate(boxes)}
    )
    return track


def test_everything_at_once(track, tmp_path) -> None:
    files = write_track(track, tmp_path, "a", [*WRITERS])
    assert [file.name for file in files] == [
        "a_overlay.mp4",
        "a_overlay.webm",
        "a",
        "a.json",
        "a_mot.txt",
        "a.csv",
        "a_alpha",
        "a_alpha.mov",
        "a_session.json",
    ]
    assert not [file for file in tmp_path.iterdir() if file.name.endswith(".part")]
    for name in ("a_overlay.mp4", "a_overlay.webm"):
        clip = open_clip(tmp_path / name)
        shown = [item.image.pixels.astype(int) for item in clip.forward()]
        assert len(shown) == FRAMES
        assert clip.size == (120, 192)
        plain = track.clip.frame(0).image.pixels.astype(int)
        changed = np.abs(shown[0] - plain).sum(axis=2) > 60
        assert changed[disc(50, 60, 18)].mean() > 0.9
        assert changed[:20, :20].mean() < 0.05
    check_tables(tmp_path)
    cut = np.asarray(Image.open(tmp_path / "a_alpha" / "00000.png"))
    assert np.array_equal(cut[..., 3] == 255, disc(50, 60, 20) | box(150, 60, 15))
    assert len(list(open_clip(tmp_path / "a_alpha.mov").forward())) == FRAMES
    assert json.loads((tmp_path / "a_session.json").read_text())["objects"][0]["label"] == "ball"


def check_tables(folder) -> None:
    numbers = [np.asarray(Image.open(folder / "a" / f"{number:05d}.png")) for number in range(FRAMES)]
    with Image.open(folder / "a" / "00000.png") as picture:
        assert (picture.mode, picture.getpalette()[:9]) == ("P", [0, 0, 0, 128, 0, 0, 0, 128, 0])
    assert np.array_equal(numbers[0] == 1, disc(50, 60, 20))
    assert np.array_equal(numbers[3] == 2, box(150, 60, 15))
    assert set(np.unique(numbers[2])) == {0, 2}
    record = json.loads((folder / "a.json").read_text())
    assert record["videos"][0]["length"] == FRAMES
    ball, other = record["annotations"]
    assert (ball["id"], ball["track_id"], other["id"], other["track_id"]) == (1, 1, 2, 4)
    assert ball["segmentations"][2] is None
    assert ball["bboxes"][2] is None
    assert np.array_equal(RLE.from_coco(ball["segmentations"][1]).dense(), disc(60, 60, 20))
    assert [each["name"] for each in record["categories"]] == ["ball", "object"]
    boxes = [line.split(",") for line in (folder / "a_mot.txt").read_text().splitlines()]
    assert boxes[0] == ["1", "1", "30", "40", "41", "41", "0.5000", "-1", "-1", "-1"]
    assert [row[:2] for row in boxes] == [
        ["1", "1"],
        ["1", "2"],
        ["2", "1"],
        ["2", "2"],
        ["3", "2"],
        ["4", "1"],
        ["4", "2"],
    ]
    with (folder / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["label"], rows[0]["x0"], rows[0]["seconds"]) == ("ball", "30", "0.000")
    assert len(rows) == 7


def test_nothing_is_left_of_what_came_to_no_end(track, tmp_path) -> None:
    def broken():
        yield next(track.frames())
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        write_track(track, tmp_path, "a", ["overlay", "json", "csv", "davis", "alpha"], broken())
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused(track, tmp_path) -> None:
    with pytest.raises(InputError, match="Unknown format 'tape': expected one of overlay, webm, davis"):
        write_track(track, tmp_path, "a", ["tape"])
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        check_places(tmp_path, "a", ["json", "csv"])
    check_places(tmp_path, "a", ["csv"], overwrite=True)


def test_folders_are_written_anew_and_whole(track, tmp_path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("L", (3, 3)).save(tmp_path / "a" / "00009.png")
    check_places(tmp_path, "a", ["davis"], overwrite=True)
    write_track(track, tmp_path, "a", ["davis"])
    assert [file.name for file in sorted((tmp_path / "a").iterdir())] == [f"{number:05d}.png" for number in range(4)]
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    with pytest.raises(OutputError, match="what the result is made from"):
        check_places(tmp_path, "a", ["davis"], overwrite=True, source=str(tmp_path / "a"))
    (tmp_path / "a" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="other files than PNG"):
        check_places(tmp_path, "a", ["davis"], overwrite=True)
    with pytest.raises(OutputError, match="is a file"):
        check_places(tmp_path / "a" / "notes.txt" / "deep", "a", ["csv"])


def test_the_film_of_a_part_begins_at_once(segmenter, tmp_path) -> None:
    pictures = [np.full((32, 48, 3), 90, np.uint8)] * 30
    track = VideoTrack(segmenter, PicturesClip(pictures, Selection(24, None, 2), ClipLimits()))
    track._objects[1] = TrackedObject()
    write_track(track, tmp_path, "a", ["overlay"])
    import av

    with av.open(str(tmp_path / "a_overlay.mp4")) as film:
        times = [round(float(frame.time), 3) for frame in film.decode(video=0)]
    assert times == pytest.approx([0.0, 2 / 24, 4 / 24], abs=0.002)


def test_films_of_odd_sides(segmenter, tmp_path) -> None:
    pictures = [np.full((33, 51, 3), 90, np.uint8)] * 2
    track = VideoTrack(segmenter, PicturesClip(pictures, Selection(), ClipLimits()))
    track._objects[1] = TrackedObject()
    write_track(track, tmp_path, "a", ["overlay", "webm"])
    assert open_clip(tmp_path / "a_overlay.mp4").size == (34, 52)
