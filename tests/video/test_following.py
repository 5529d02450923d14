"""Objects keep masks and identities through clips that are drawn here; sessions survive; corrections are local."""

import numpy as np
import pytest
from drawn import BLUE, RED, box, crossing, disc, film, hiding, painted

from promptseg import Mask, Point, Text
from promptseg.errors import InputError, PromptError
from promptseg.evaluate.metrics import iou


def overlaps(track, key, truths) -> list[float]:
    return [iou(track.objects[key].masks[number][0].dense(), truth) for number, truth in enumerate(truths)]


@pytest.fixture(scope="module")
def crossed(segmenter):
    """Two objects that cross, each clicked once."""
    pictures, reds, blues = crossing()
    track = segmenter.video(pictures)
    track.add(Point(40, 58), object_id=1, label="red")
    track.add(Point(152, 64), object_id=2, label="blue")
    visited = [item.number for item in track.propagate()]
    return track, visited, reds, blues


def test_two_objects_cross_and_stay_themselves(crossed) -> None:
    track, visited, reds, blues = crossed
    assert visited == list(range(7)), "both are followed in one sweep"
    for key, truths in ((1, reds), (2, blues)):
        found = overlaps(track, key, truths)
        assert found[0] > 0.9
        assert found[-1] > 0.8, found
        assert np.mean(found) > 0.75, found
    for number in range(7):
        first, second = (track.objects[key].masks[number][0].dense() for key in (1, 2))
        assert not (first & second).any(), "a pixel has one owner"


def test_results_of_a_frame(crossed) -> None:
    track, *_ = crossed
    frames = list(track.frames())
    assert [item.number for item in frames] == list(range(7))
    assert frames[0].segments.labels == ("red", "blue")
    assert frames[0].segments.object_ids.tolist() == [1, 2]
    assert frames[5].segments.image is not None


def test_a_session_survives(segmenter, crossed, tmp_path) -> None:
    import json

    track, *_ = crossed
    record = json.loads(json.dumps(track.to_json()))
    (tmp_path / "session.json").write_text(json.dumps(record))
    pictures, reds, _ = crossing()
    again = segmenter.video(pictures, session=tmp_path / "session.json")
    assert again.to_json() == record
    assert [item.number for item in again.propagate()] == [], "nothing has changed"
    with pytest.raises(InputError, match="another clip"):
        segmenter.video([painted((reds[0], BLUE))] * 3, session=record)
    for wrong in ({**record, "format": 9}, {**record, "model": "sam-vit-b"}, {"format": 1}, {**record, "objects": [1]}):
        with pytest.raises(InputError):
            segmenter.video(pictures, session=wrong)


def test_a_correction_visits_only_what_it_changes(segmenter, crossed) -> None:
    track, _, reds, _ = crossed
    pictures, *_ = crossing()
    again = segmenter.video(pictures, session=track.to_json())
    before = {number: again.objects[2].masks[number] for number in range(7)}
    again.add(Mask(reds[5]), frame=5, object_id=1)
    visited = [item.number for item in again.propagate()]
    assert set(visited) <= set(range(3, 7)), "frames nearer to the first prompt are as they were"
    assert 5 in visited
    assert {number: again.objects[2].masks[number] for number in range(7)} == before, "the other object is untouched"
    assert again.objects[1].masks[5][0].dense().tolist() == reds[5].tolist(), "a mask is taken as it is"
    assert iou(again.objects[1].masks[6][0].dense(), reds[6]) > 0.7


def test_backwards(segmenter) -> None:
    pictures = [painted((disc(40 + 8 * number, 60, 20), RED)) for number in range(4)]
    track = segmenter.video(pictures)
    track.add(Point(64, 60), frame=3)
    assert [item.number for item in track.propagate("forward")] == [3]
    assert 0 not in track.objects[0].masks
    visited = [item.number for item in track.propagate("backward")]
    assert visited == [3, 2, 1, 0]
    assert min(overlaps(track, 0, [disc(40 + 8 * number, 60, 20) for number in range(4)])) > 0.85


def test_what_is_hidden_is_not_seen_and_comes_back(segmenter) -> None:
    pictures, reds = hiding()
    track = segmenter.video(pictures)
    track.add(Point(50, 60))
    list(track.propagate())
    for number in (2, 3):
        assert not track.objects[0].masks[number][0].area, "not here any more"
        assert len(track.segments(number)) == 0
    assert iou(track.objects[0].masks[4][0].dense(), reds[4]) > 0.8


def test_another_scene(segmenter) -> None:
    """After a cut the object is somewhere else, at once."""
    first = [painted((disc(40, 40, 22), RED)) for _ in range(2)]
    light = np.full_like(first[0], 215)
    light[disc(150, 80, 22)] = RED
    track = segmenter.video([*first, light])
    track.add(Point(40, 40))
    list(track.propagate())
    assert iou(track.objects[0].masks[2][0].dense(), disc(150, 80, 22)) > 0.8


def test_a_small_object_is_looked_at_from_near(segmenter) -> None:
    from promptseg.masks.rle import RLE
    from promptseg.video.look import window_around

    small = RLE.encode(disc(100, 60, 5))
    x0, y0, x1, y1 = window_around(small)
    assert (x1 - x0, y1 - y0) == (128, 120)
    assert x0 <= 95
    assert x1 >= 106
    assert window_around(RLE.encode(disc(100, 60, 40))) == (0, 0, 192, 120)
    assert window_around(small, hidden=3) == (0, 0, 192, 120), "who is lost is looked for everywhere"
    assert window_around(RLE.empty((120, 192))) == (0, 0, 192, 120)


def test_what_is_refused(segmenter, tmp_path) -> None:
    pictures = [painted((disc(40, 60, 20), RED))] * 3
    track = segmenter.video(pictures)
    with pytest.raises(PromptError, match="nothing to follow"):
        list(track.propagate())
    with pytest.raises(PromptError, match="at least one prompt"):
        track.add()
    with pytest.raises(PromptError, match="negative"):
        track.add(Point(5, 5, False))
    with pytest.raises(PromptError, match="outside the picture"):
        track.add(Point(500, 5))
    with pytest.raises(InputError, match="no frame 3"):
        track.add(Point(40, 60), frame=3)
    with pytest.raises(PromptError, match="Text, Audio or Reference"):
        track.find(Point(1, 2))  # type: ignore[arg-type]
    track.add(Point(40, 60))
    with pytest.raises(InputError, match="Unknown direction"):
        list(track.propagate("sideways"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="A clip is a path"):
        segmenter.video(7)


def test_memory_is_bounded(segmenter, tmp_path) -> None:
    """What is held does not grow with the clip: no frames, and vectors of a few pictures."""
    from promptseg.video.memory import GOOD, ObjectMemory, Remembered

    memory = ObjectMemory([Remembered(0, np.zeros((2, 4), np.float32), np.zeros(4, np.float32))])
    for number in range(1, 50):
        memory.keep(Remembered(number, np.zeros((2, 4), np.float32), np.zeros(4, np.float32)), good=True)
    prompted, followed = memory.known(50)
    assert len(prompted) == 1
    assert len(followed) <= GOOD + 1
    clip = segmenter.video(film(tmp_path / "a.mp4", [painted((box(60, 60, 20), RED))] * 30)).clip
    for _ in clip.forward():
        assert sum(value.nbytes for value in vars(clip).values() if isinstance(value, np.ndarray)) == 0


def test_what_was_followed_wrongly_is_doubted() -> None:
    """Frames that call the ground a part of the object do not outweigh the one that was prompted."""
    from types import SimpleNamespace

    from promptseg.video.memory import APART, ObjectMemory, Remembered

    random = np.random.default_rng(0)
    kinds = np.eye(3, 8, dtype=np.float32)  # an object, ground beside it, other ground

    def seen() -> np.ndarray:
        cells = np.repeat(kinds, 64, axis=0) + random.normal(0, 0.05, (192, 8)).astype(np.float32)
        return (cells / np.linalg.norm(cells, axis=1, keepdims=True)).T.astype(np.float32)

    truth, leaked = (np.repeat(np.array(parts, np.float32), 64) for parts in ([1, 0, 0], [1, 1, 0]))
    memory = ObjectMemory([Remembered(0, seen(), truth)])
    for number in range(1, 2 * APART):
        memory.keep(Remembered(number, seen(), leaked if number == 2 * APART - 1 else truth), good=True)
    look = SimpleNamespace(cells=seen(), rows=3)
    found = memory.map(2 * APART, look).ravel()  # type: ignore[arg-type]
    assert found[:64].mean() > 0.9
    assert found[64:128].mean() < 0.5, "one leak does not spread"
    assert found[128:].mean() < 0.1


def test_words_find_objects_and_keep_their_identity(segmenter, examples) -> None:
    """A cat that goes and comes back is one object."""
    from PIL import Image

    away = (12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)

    cat = np.asarray(Image.open(examples / "chelsea.jpg").convert("RGB").resize((226, 150)))
    nothing = np.full_like(cat, 128)
    track = segmenter.video([nothing if number in away else cat for number in range(36)], stride=6)
    track.find(Text("a cat"))
    list(track.propagate())
    assert len(track.objects) == 1
    (known,) = track.objects.values()
    assert known.label == "a cat"
    seen = {number for number, (mask, _) in known.masks.items() if mask.area}
    assert seen == {0, 6, 24, 30}
