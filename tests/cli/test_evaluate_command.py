"""`promptseg evaluate TASK DATASET`."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from promptseg.images import Image


@pytest.fixture
def cat(examples):
    return examples / "chelsea.jpg"


EMBEDDED = {}


@pytest.fixture
def small_set(cat, segmenter, monkeypatch):
    """Three small pictures of the cat with one mask each; they are the same, and embedded once for all tests."""
    embed = segmenter.embed

    def once(image, **options):
        picture = Image.open(image)
        key = picture.pixels.tobytes()
        if key not in EMBEDDED:
            EMBEDDED[key] = embed(picture, **options)
        return EMBEDDED[key]

    monkeypatch.setattr(segmenter, "embed", once)
    Path("set/images").mkdir(parents=True)
    Path("set/masks").mkdir()
    small = Pillow.open(cat).resize((112, 75))
    mask = np.zeros((75, 112), np.uint8)
    mask[10:70, 20:100] = 255
    for name in "abc":
        small.save(f"set/images/{name}.jpg")
        Pillow.fromarray(mask).save(f"set/masks/{name}.png")
    return Path("set")


def test_without_a_task_all_are_listed(run):
    code, out, _ = run("evaluate")
    assert code == 2
    assert [line.split()[0] for line in out.splitlines()] == [
        *("clicks", "point", "boxes", "everything", "edges"),
        *("semantic", "panoptic", "instances", "referring", "text", "reference", "labels"),
        *("video", "latency"),
    ]


def test_clicks_with_slices_and_a_report(quick, small_set):
    Path("facts.csv").write_text("picture,light\na,day\nb,day\nc,night\n")
    options = ("--clicks", 3, "--by", "light", "--metadata", "facts.csv", "-o", "report")
    code, out, err = quick("evaluate", "clicks", "set", *options)
    assert code == 0
    assert "official recipe" in out
    assert "IoU@3" in out
    assert "3 rows on 3 pictures" in out
    assert [Path(line).name for line in err.splitlines() if line.startswith("report")] == [
        "clicks.json",
        "clicks.csv",
        "clicks.md",
        "clicks.html",
    ]
    assert Path("report/clicks.md").read_text().strip() == out.strip()
    content = json.loads(Path("report/clicks.json").read_bytes())
    assert [each["name"] for each in content["contestants"]] == ["official recipe", "promptseg"]
    assert [part["value"] for part in content["slices"]] == ["day"]
    rows = csv.DictReader(io.StringIO(Path("report/clicks.csv").read_text()))
    assert {row["part"] for row in rows} == {"all", "day"}
    stored = sorted(Path("report/answers/clicks").rglob("*.json"))
    assert len(stored) == 6
    before = [file.stat().st_mtime_ns for file in stored]
    assert quick("evaluate", "clicks", "set", *options)[0] == 0
    assert [file.stat().st_mtime_ns for file in stored] == before, "nothing is asked twice"


def test_everything(quick, small_set, segmenter, monkeypatch):
    proposals = segmenter.proposals
    monkeypatch.setattr(segmenter, "proposals", lambda image: proposals(image, points_per_side=2))
    code, out, _ = quick("evaluate", "everything", "set", "--way", "proposals", "--limit", 1, "-o", "report")
    assert code == 0
    assert "1 rows on 1 pictures" in out
    content = json.loads(Path("report/everything.json").read_bytes())
    (finder,) = content["contestants"]
    assert finder["name"] == "proposals"
    assert finder["measures"]["masks per picture"]["value"] > 0


def test_point_boxes_and_video(quick, small_set):
    assert quick("evaluate", "point", "set", "--limit", 1)[0] == 0
    code, out, _ = quick("evaluate", "boxes", "set", "--limit", 1, "--no-recipe")
    assert code == 0
    assert "official recipe" not in out
    assert out.splitlines()[2].startswith("| AP ")
    Path("video/images").mkdir(parents=True)
    Path("video/masks").mkdir()
    for number, name in enumerate("abc"):
        Path(f"set/images/{name}.jpg").rename(f"video/images/v_{number}.jpg")
        Path(f"set/masks/{name}.png").rename(f"video/masks/v_{number}.png")
    code, out, _ = quick("evaluate", "video", "video")
    assert code == 0
    assert "promptseg, memory" in out


def test_edges(quick, cat):
    Path("set/images").mkdir(parents=True)
    Path("set/truth").mkdir()
    Pillow.open(cat).resize((112, 75)).save("set/images/cat.jpg")
    outline = np.zeros((2, 75, 112), bool)
    outline[:, 20, 10:100] = True
    np.savez("set/truth/cat.npz", boundaries=np.packbits(outline, axis=2), width=112)
    options = ("--points-per-side", 2, "--thresholds", 5, "-o", "report")
    code, out, _ = quick("evaluate", "edges", "set", *options)
    assert code == 0
    content = json.loads(Path("report/edges.json").read_bytes())
    assert [each["name"] for each in content["contestants"]] == ["promptseg mobile-sam-clicks", "Canny", "Sobel"]
    assert out.splitlines()[2].startswith("| ODS")


def test_a_peer_beside_us(quick, small_set):
    toy = Path(__file__).parents[1] / "evaluate" / "toy_peer.py"
    command = f"{sys.executable} {toy}"
    code, out, _ = quick("evaluate", "clicks", "set", "--clicks", 1, "--limit", 1, "--peer-command", command)
    assert code == 0
    assert " toy |" in out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("dancing", "set"), "Unknown task 'dancing': expected one of clicks, point"),
        (("clicks",), "needs a folder of labelled pictures after it"),
        (("clicks", "nowhere"), "nowhere does not exist"),
        (("edges", "."), "is not a dataset with outlines"),
        (("everything", "nowhere"), "nowhere does not exist"),
        (("everything", ".", "--way", "magic"), "Unknown way 'magic'"),
        (("clicks", ".", "--way", "fast"), "clicks has no --way"),
        (("boxes", ".", "--clicks", "3"), "--clicks is not for evaluate boxes"),
        (("clicks", ".", "--together"), "--together is not for evaluate clicks"),
        (("clicks", ".", "--clicks", "0"), "at least one click"),
        (("clicks", ".", "--workers", "0"), "--workers must be at least 1"),
        (("clicks", ".", "--peer", "yolo"), "Unknown peer 'yolo'"),
        (("clicks", ".", "--peer", "segment-anything"), "needs its weights"),
        (("boxes", ".", "--protocol", "voc"), "Unknown protocol 'voc'"),
        (("referring", ".", "--sentences", "some"), "'first' or 'all'"),
    ],
)
def test_one_clear_line(run, arguments, hint):
    code, out, err = run("evaluate", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("promptseg: ")
    assert len(err.splitlines()) == 1
    assert hint in err
    assert list(Path().iterdir()) == []


def test_words_are_asked_of_the_facade(quick, small_set, segmenter, monkeypatch):
    """`evaluate panoptic` and its like call the segmenter's own methods, with the dataset's classes."""
    from promptseg.masks.panoptic import PanopticSegments
    from promptseg.masks.rle import RLE
    from promptseg.masks.segments import Segments
    from promptseg.vocabulary import Category

    Path("set/labels").mkdir()
    Path("set/classes.json").write_text('["background", "cat"]')
    for name in "abc":
        mask = np.asarray(Pillow.open(f"set/masks/{name}.png")) > 0
        Pillow.fromarray(mask.astype(np.uint8)).save(f"set/labels/{name}.png")
        Path(f"set/masks/{name}.png").unlink()
    Path("set/masks").rmdir()
    inside = RLE.encode(mask)
    asked = []

    def semantic(image, vocabulary):
        asked.append(vocabulary.names)
        masks = (inside,)
        return PanopticSegments(Segments(image.size, masks), (Category(1, "cat", True),))

    monkeypatch.setattr(segmenter, "semantic", semantic)
    monkeypatch.setattr(segmenter, "match", lambda image, text: Segments(image.size, (inside,)))
    monkeypatch.setattr(segmenter, "label", lambda image, masks, words: masks.with_labels("cat"))
    code, out, _ = quick("evaluate", "semantic", "set")
    assert code == 0
    assert asked == [("cat",)] * 3  # the background is what is left
    assert "100.0 [100.0, 100.0]" in out
    for task in ("text", "labels"):
        code, out, _ = quick("evaluate", task, "set", "--limit", 2)
        assert code == 0
        assert "100.0 [100.0, 100.0]" in out
    code, _, err = quick("evaluate", "panoptic", "set")
    assert code == 2
    assert "is not a dataset with panoptic segments" in err
