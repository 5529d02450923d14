"""Clips of all kinds are read alike: frames, times, parts, rotation; damage ends them, limits refuse them."""

import numpy as np
import pytest
from drawn import RED, box, film, painted
from PIL import Image

from promptseg.errors import ImageError, InputError
from promptseg.notes import Note, told
from promptseg.stopping import stoppable
from promptseg.video.clips import ClipLimits, Selection, open_clip
from promptseg.video.clips.folder import natural_key
from promptseg.video.clips.pictures import PicturesClip


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [painted((box(30 + 5 * number, 60, 20), RED)) for number in range(20)]


def near(found: np.ndarray, drawn: np.ndarray) -> bool:
    return found.shape == drawn.shape and np.abs(found.astype(int) - drawn).mean() < 6


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.mkv", "libx264")]
)
def test_films(tmp_path, pictures, name, codec) -> None:
    clip = open_clip(film(tmp_path / name, pictures, codec=codec))
    frames = list(clip.forward())
    assert (clip.size, round(clip.rate), clip.total, clip.damage) == ((120, 192), 25, 20, None)
    assert [item.number for item in frames] == list(range(20))
    assert np.allclose([item.seconds for item in frames], np.arange(20) / 25, atol=0.002)
    assert all(near(item.image.pixels, drawn) for item, drawn in zip(frames, pictures, strict=True))
    for number in (13, 2, 19):  # in any order
        assert near(clip.frame(number).image.pixels, pictures[number])
    back = list(clip.backward(15))
    assert [item.number for item in back] == list(range(14, -1, -1))
    assert near(back[3].image.pixels, pictures[11])


def test_a_film_in_memory(tmp_path, pictures) -> None:
    clip = open_clip(film(tmp_path / "a.mp4", pictures).read_bytes())
    assert near(clip.frame(7).image.pixels, pictures[7])


def test_parts_of_a_clip(tmp_path, pictures) -> None:
    clip = open_clip(film(tmp_path / "a.mp4", pictures), selection=Selection(4, 17, 3))
    assert [item.number for item in clip.forward()] == [4, 7, 10, 13, 16]
    assert [item.number for item in clip.forward(8)] == [10, 13, 16]
    assert [item.number for item in clip.backward(14)] == [13, 10, 7, 4]
    assert clip.total == 5
    with pytest.raises(InputError, match=r"no frame 5 \(there are 4 to 16 in steps of 3\)"):
        clip.frame(5)
    for wrong in ((-1, None, 1), (0, None, 0), (5, 5, 1)):
        with pytest.raises(InputError):
            Selection(*wrong)


def test_variable_frame_rate(tmp_path, pictures) -> None:
    stamps = [number * number for number in range(20)]
    clip = open_clip(film(tmp_path / "a.mp4", pictures, stamps=stamps))
    assert np.allclose([item.seconds for item in clip.forward()], np.array(stamps) / 25, atol=0.002)
    assert near(clip.frame(15).image.pixels, pictures[15])


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (270, 1)])
def test_rotation(tmp_path, pictures, degrees, turns) -> None:
    clip = open_clip(film(tmp_path / "a.mp4", pictures, turned=degrees))
    upright = np.rot90(pictures[3], turns)
    assert clip.size == upright.shape[:2]
    assert near(clip.frame(3).image.pixels, upright)


def test_what_is_before_a_damage_is_used(tmp_path, pictures) -> None:
    path = film(tmp_path / "a.mp4", pictures)
    data = bytearray(path.read_bytes())
    middle = data.find(b"mdat") + (data.find(b"moov") - data.find(b"mdat")) // 2
    data[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(bytes(data))
    said: list[str] = []
    with told(said.append):
        frames = list(open_clip(path).forward())
    assert 3 < len(frames) < 20
    assert near(frames[3].image.pixels, pictures[3])
    assert len(said) == 1
    assert "is damaged" in said[0]
    assert "The frames before are used" in said[0]


def test_a_film_that_ends_too_soon(tmp_path, pictures) -> None:
    path = film(tmp_path / "a.mkv", pictures * 3)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.warns(Note, match=r"promises 2\.4 seconds and ends after"):
        assert 0 < len(list(open_clip(path).forward())) < 60


def test_a_short_webm_that_ends_too_soon(tmp_path, pictures) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (8, *pictures[0].shape), np.uint8)
    whole = film(tmp_path / "a.webm", [*noise], codec="libvpx", key_frames=1)
    assert open_clip(whole).damage is None
    content = whole.read_bytes()
    notes: list[str] = []
    with told(notes.append):
        clip = open_clip(content[: len(content) * 7 // 10])
        assert 0 < len(list(clip.forward())) < 4
    assert ["promises 0.3 seconds" in text for text in notes] == [True]


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_animations(tmp_path, pictures, ending) -> None:
    first, *rest = (Image.fromarray(each) for each in pictures[:6])
    more = {"lossless": True} if ending == "webp" else {}
    first.save(tmp_path / f"a.{ending}", save_all=True, append_images=rest, duration=80, **more)
    clip = open_clip(tmp_path / f"a.{ending}")
    frames = list(clip.forward())
    assert [round(item.seconds, 3) for item in frames] == [0, 0.08, 0.16, 0.24, 0.32, 0.4]
    assert clip.rate == pytest.approx(12.5)
    assert all(near(item.image.pixels, drawn) for item, drawn in zip(frames, pictures, strict=False))
    assert near(clip.frame(4).image.pixels, pictures[4])


def test_a_damaged_animation(tmp_path) -> None:
    random = np.random.default_rng(1)
    first, *rest = (Image.fromarray(random.integers(0, 255, (40, 60, 3)).astype(np.uint8)) for _ in range(6))
    path = tmp_path / "a.png"
    first.save(path, save_all=True, append_images=rest, duration=80)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.warns(Note, match="is damaged: frame"):
        assert 1 <= len(list(open_clip(path).forward())) < 6


def test_folders(tmp_path, pictures) -> None:
    for number in (10, 9, 1):
        Image.fromarray(pictures[number]).save(tmp_path / f"frame{number}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    clip = open_clip(tmp_path)
    assert [clip.stem(item.number) for item in clip.forward()] == ["frame1", "frame9", "frame10"]
    assert np.array_equal(clip.frame(2).image.pixels, pictures[10])
    assert sorted(["b10", "B2", "a"], key=natural_key) == ["a", "B2", "b10"]


def test_a_folder_with_a_damaged_picture(tmp_path, pictures) -> None:
    for number in range(4):
        Image.fromarray(pictures[number]).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.warns(Note, match="frame 2"):
        assert len(list(open_clip(tmp_path).forward())) == 2


def test_pictures_of_the_caller(pictures) -> None:
    clip = PicturesClip(pictures, Selection(stride=2), ClipLimits())
    assert [item.number for item in clip.forward()] == list(range(0, 20, 2))
    with pytest.raises(InputError, match="at least one picture"):
        PicturesClip([], Selection(), ClipLimits())


def test_limits(tmp_path, pictures) -> None:
    path = film(tmp_path / "a.mp4", pictures)
    for limits, message in (
        (ClipLimits(max_bytes=100), "the limit of clips is 100"),
        (ClipLimits(max_pixels=1000), "192 x 120 = 23,040 pixels; the limit of clips is 1,000"),
    ):
        with pytest.raises(InputError, match=message):
            open_clip(path, limits=limits)
    for limits, message in (
        (ClipLimits(max_frames=5), "more than 5 frames"),
        (ClipLimits(max_seconds=0.3), r"longer than 0\.3 seconds"),
    ):
        with pytest.raises(InputError, match=message):
            list(open_clip(path, limits=limits).forward())
    first = Image.fromarray(pictures[0])
    first.save(tmp_path / "a.gif", save_all=True, append_images=[Image.fromarray(each) for each in pictures])
    with pytest.raises(InputError, match="more than 5 frames"):
        list(open_clip(tmp_path / "a.gif", limits=ClipLimits(max_frames=5)).forward())
    with pytest.raises(InputError, match="pixels"):
        open_clip(tmp_path / "a.gif", limits=ClipLimits(max_pixels=1000))


class Ended(Exception):
    """What the one who waits raises."""


@pytest.mark.parametrize("selection", [Selection(start=2**70), Selection(stride=2**70), Selection(1, 2**70, 9)])
def test_frames_that_are_passed_over_count_and_can_be_stopped(tmp_path, pictures, selection) -> None:
    def check() -> None:
        raise Ended

    first = Image.fromarray(pictures[0])
    first.save(tmp_path / "a.gif", save_all=True, append_images=[Image.fromarray(each) for each in pictures[1:9]])
    for path in (film(tmp_path / "a.mp4", pictures[:9]), tmp_path / "a.gif"):
        assert len(list(open_clip(path, selection=selection).forward())) <= 1
        with pytest.raises(InputError, match="more than 5 frames"):
            list(open_clip(path, selection=selection, limits=ClipLimits(max_frames=5)).forward())
        clip = open_clip(path, selection=selection)
        with pytest.raises(Ended), stoppable(check):
            list(clip.forward())
        with pytest.raises(InputError, match="has no frame"):
            clip.frame(2**70 + 1)


def test_what_is_no_clip(tmp_path, pictures) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "none").mkdir()
    Image.fromarray(pictures[0]).save(tmp_path / "a.jpg")
    for name, message in (
        ("empty.mp4", "is empty"),
        ("text.mp4", "damaged or no film"),
        ("none", "holds no pictures"),
        ("a.jpg", "is a single picture"),
        ("nothing.mp4", "cannot be read: No such file"),
    ):
        with pytest.raises((InputError, ImageError), match=message):
            open_clip(tmp_path / name)


def test_a_film_opens_no_further_files(tmp_path, pictures) -> None:
    """Playlists and lists of files would have FFmpeg open what they name."""
    film(tmp_path / "a.mp4", pictures)
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\na.mp4\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.txt").write_text("ffconcat version 1.0\nfile a.mp4\n")
    for name in ("list.m3u8", "list.txt"):
        with pytest.raises(InputError, match="damaged or no film"):
            open_clip(tmp_path / name)
