"""`promptseg video`: how prompts are written, what is made, and one clear line for what is wrong."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from promptseg.cli.video import _rounds, _stem
from promptseg.cli.video_prompts import _asked

sys.path.append(str(Path(__file__).parents[1] / "video"))

from drawn import BLUE, RED, box, disc, film, painted

NONE = {kind: () for kind in ("box", "polygon", "circle", "scribble", "mask")}
NOTHING = {
    "scribble_width": 5.0,
    "text": (),
    "reference": (),
    "point": (),
    **NONE,
    "not_point": (),
    **{f"not_{kind}": () for kind in NONE},
}


@pytest.fixture
def clip() -> Path:
    """Three frames of a red disc and a blue box."""
    pictures = [painted((disc(50 + 10 * number, 60, 22), RED), (box(150, 60, 18), BLUE)) for number in range(3)]
    return film(Path("clip.mp4"), pictures)


def test_how_prompts_are_written() -> None:
    asked = _asked(**{**NOTHING, "point": ("3,4", "5,6@2", "7,8@1#3"), "box": ("1,2,3,4#3",), "not_point": ("9,9@2",)})
    said = [(item.prompt.kind, item.prompt.positive, item.frame, item.key) for item in asked.places]
    assert said == [
        ("point", True, None, None),
        ("point", True, 2, None),
        ("point", True, 1, 3),
        ("point", False, 2, None),
        ("box", True, None, 3),
    ]
    rounds = [(number, {key: len(parts) for key, parts in given.items()}) for number, given in _rounds(asked.places, 0)]
    assert rounds == [(0, {1: 1, 3: 1}), (1, {3: 1}), (2, {2: 1, None: 1})]


def test_a_mask_of_several_numbers_is_several_objects() -> None:
    numbers = np.zeros((10, 20), np.uint8)
    numbers[1:4, 1:4], numbers[6:9, 6:9] = 1, 3
    Image.fromarray(numbers).convert("P").save("first.png")
    places = _asked(**{**NOTHING, "mask": ("first.png",)}).places
    assert [(item.key, int(item.prompt.array.sum())) for item in places] == [(1, 9), (3, 9)]
    (only,) = _asked(**{**NOTHING, "mask": ("first.png@3@@7#2",)}).places
    assert (only.frame, only.key, int(only.prompt.array.sum())) == (7, 2, 9)


def test_a_clip_is_followed(quick, clip) -> None:
    code, out, err = quick(
        "video", clip, "--point", "50,60@0", "--box", "130,40,170,80", "-f", "davis", "-f", "json", "-o", "made"
    )
    assert code == 0, err
    assert out.split() == ["made/clip", "made/clip.json"]
    assert "object 1: seen on 3 of 3 frames" in err
    assert "object 2: seen on 3 of 3 frames" in err
    last = np.asarray(Image.open("made/clip/00002.png"))
    assert last[60, 70] == 1
    assert last[60, 150] == 2
    assert len(json.loads(Path("made/clip.json").read_text())["annotations"]) == 2
    code, out, err = quick("video", clip, "--point", "50,60", "-f", "json", "-o", "made")
    assert code == 2
    assert "is there already" in err


def test_later_prompts_correct(quick, clip) -> None:
    code, _, err = quick(
        "video", clip, "--point", "50,60", "--point", "150,60", "--not", "70,60@2", "-f", "csv", "-f", "session"
    )
    assert code == 0, err
    record = json.loads(Path("out/clip_session.json").read_text())
    assert [sorted(each["prompts"]) for each in record["objects"]] == [["0", "2"], ["0"]], "it lies on the first"


def test_a_session_goes_on_without_prompts_and_new_objects_have_new_numbers(quick, clip) -> None:
    code, _, err = quick("video", clip, "--mask", _drawn(), "-f", "session", "--end", "1")
    assert code == 0, err
    session = ("--session", "out/clip_session.json", "--end", "1")
    code, _, err = quick("video", clip, *session, "-f", "csv", "-o", "a")
    assert (code, err.splitlines()[-1]) == (0, "object 1: seen on 1 of 1 frames")
    code, _, err = quick("video", clip, *session, "--mask", _drawn(), "--not", "150,60", "-f", "csv", "-o", "b")
    assert code == 2, "it lies on neither of two"
    code, _, err = quick("video", clip, *session, "--mask", _drawn(), "-f", "csv", "-o", "b")
    assert code == 0, err
    assert [line.split(",")[2] for line in Path("b/clip.csv").read_text().splitlines()] == ["object", "1", "2"]


def _drawn() -> Path:
    Image.fromarray(disc(50, 60, 22)).save("drawn.png")
    return Path("drawn.png")


def test_results_are_called_as_the_folder() -> None:
    Path("v1.2").mkdir()
    here = Path.cwd().name
    assert [_stem("v1.2"), _stem("v1.2/"), _stem("."), _stem("a.b.mp4")] == ["v1.2", "v1.2", here, "a.b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Show an object with at least one of --point"),
        (("--point", "1"), "--point expects x,y"),
        (("--point", "1,2@x"), "--point expects x,y"),
        (("--point", "1,2@9"), "has no frame 9 (there are 0 to 2)"),
        (("--point", "1,2#0"), "numbered from 1"),
        (("--point", "1,2", "-f", "tape"), "Unknown format 'tape'"),
        (("--point", "1,2", "--stride", "0"), "stride"),
        (("--point", "1,2", "--end", "0"), "must lie behind the start"),
        (("--point", "900,2"), "lies outside the picture"),
        (("--text", "a dog", "--direction", "up"), "Unknown direction 'up'"),
        (("--point", "1,2", "--every", "0"), "at least 1 frame apart"),
        (("--point", "1,2", "--start", "5"), "has no frame 5 (it has 3 frames)"),
        (("--point", "1,2@1", "--stride", "2"), "has no frame 1 (there are 0 to 2 in steps of 2)"),
    ],
)
def test_what_is_wrong_is_one_line(quick, clip, arguments, message) -> None:
    code, out, err = quick("video", clip, *arguments)
    assert (code, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.startswith("promptseg:")]
    assert message in line
    assert not Path("out").exists()


def test_no_clip(quick) -> None:
    Path("a.mp4").write_text("nothing")
    for name, message in (("none.mp4", "cannot be read"), ("a.mp4", "damaged or no film")):
        code, _, err = quick("video", name, "--point", "1,2")
        assert code == 2
        assert message in err
