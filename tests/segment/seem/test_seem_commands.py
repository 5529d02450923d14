"""`segment`, `panoptic` and `label` with SEEM, and how SAM models refuse them."""

import json

import numpy as np
import pytest
from PIL import Image as Pillow

from promptseg.formats.panoptic import read_panoptic
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

WORDS = ("--vocabulary", "cat, dog", "--model", "seem-focal-t")


@pytest.fixture
def files(tmp_path, monkeypatch, pixels, other):
    monkeypatch.chdir(tmp_path)
    Pillow.fromarray(pixels).save("a.png")
    Pillow.fromarray(other).save("other.png")
    mask = np.zeros((96, 128), bool)
    mask[30:50, 40:70] = True
    Pillow.fromarray(mask).save("mask.png")
    segments = Segments(size=(96, 128), masks=(RLE.encode(mask), RLE.encode(~mask)))
    (tmp_path / "coco.json").write_text(json.dumps(segments.to_coco(file_name="a.png")))
    (tmp_path / "records.json").write_text(json.dumps(segments.to_records()))
    return tmp_path


@pytest.mark.parametrize(
    ("prompts", "names"),
    [
        (("--text", "a red umbrella"), [None]),
        (("--text", "cat", "--text", "dog", "--not", "3,3"), [None, None]),
        (("--text", "cat", "--circle", "50,40,8", "--not-circle", "9,9,3"), [None]),
        (("--reference", "other.png:mask.png"), [None]),
        (("--point", "50,40"), [None]),
    ],
)
def test_segment(command, files, prompts, names):
    code, out, err = command("segment", "a.png", *prompts, *WORDS, "-f", "coco")
    assert code == 0, err
    record = json.loads(out)
    assert len(record["annotations"]) == len(names)
    assert {category["name"] for category in record["categories"]} <= {"cat", "dog"}


def test_phrases_name_what_they_find(command, files):
    code, out, err = command("segment", "a.png", "--text", "a red umbrella", "--model", "seem-focal-t")
    assert code == 0
    assert "mask 0 (a red umbrella): score" in err
    assert out.splitlines() == ["out/a_mask_000.png", "out/a_overlay.png"]


def test_panoptic(command, files):
    code, out, err = command("panoptic", "a.png", *WORDS, "--score", "0.5", "--overlap", "0", "-o", "new")
    assert code == 0, err
    assert out.splitlines() == ["new/a_panoptic.json", "new/a_panoptic/a.png", "new/a_overlay.png"]
    result = read_panoptic("new/a_panoptic.json")["a.png"]
    assert set(result.segments.labels) <= {"cat", "dog"}
    with Pillow.open("new/a_overlay.png") as overlay:
        assert overlay.size == (128, 96)


def test_label(command, files):
    code, out, err = command("label", "coco.json", "--image", "a.png", *WORDS)
    assert code == 0, err
    record = json.loads(out)
    names = {category["id"]: category["name"] for category in record["categories"]}
    labels = [names[annotation["category_id"]] for annotation in record["annotations"]]
    assert set(labels) <= {"cat", "dog"}
    code, out, err = command("label", "records.json", "--image", "a.png", *WORDS, "-o", "named.json")
    assert (code, out) == (0, "named.json\n"), err
    named = json.loads((files / "named.json").read_text())
    assert [record.pop("label") for record in named] == labels
    assert named == json.loads((files / "records.json").read_text())


SEEM = ("--model", "seem-focal-t")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("segment", "a.png", "--audio", "a.wav"), "There is no recording a.wav"),
        (("segment", "a.png", "--audio", "a.png"), "promptseg models download whisper-base"),
        (("segment", "a.png", "--audio", "a.png", "--speech-model", "new"), "is no folder with Whisper"),
        (("segment", "a.png", "--audio", "a.png", "--language", "fr"), "English (en) and Japanese (ja), got 'fr'"),
        (("segment", "a.png", "--point", "3,3", "--language", "en"), "give one with --audio FILE"),
        (("segment", "a.png", "--point", "3,3", "--vocabulary", "cat"), "Name masks with: promptseg label"),
        (("segment", "a.png", "--audio", "a.png", *SEEM), "promptseg models download whisper-base"),
        (("segment", "a.png", "--audio", "none.wav", *SEEM), "There is no recording none.wav"),
        (("segment", "a.png", "--reference", "other.png", *SEEM), "--reference expects PICTURE:MASK"),
        (("segment", "a.png", "--circle", "3,3", *SEEM), "--circle expects x,y,radius"),
        (("segment", "a.png", "--point", "999,3", *SEEM), "outside the picture"),
        (("label", "a.png", "--image", "a.png"), "a.png is not UTF-8 text"),
        (("label", "coco.json", "--image", "large.png"), "large.png has (192, 256)"),
        (("panoptic", "a.png", *SEEM), "The weights of seem-focal-t are not in"),
        (("label", "records.json", "--image", "a.png", *SEEM), "promptseg models convert seem_focalt_v0.pt --model"),
    ],
)
def test_refusals(files, monkeypatch, capsys, arguments, message):
    from promptseg.cli import app

    monkeypatch.setenv("PROMPTSEG_CACHE", str(files / "nothing"))
    Pillow.new("RGB", (256, 192)).save("large.png")
    monkeypatch.setattr("sys.argv", ["promptseg", *arguments])
    with pytest.raises(SystemExit) as caught:
        app.main()
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
