"""What comes in on the command line: pages, channels and levels, mask pictures, lists, standard input and output."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pillow

from promptseg import Reference
from promptseg.batch.sources import find_pictures
from promptseg.cli.prompts import read_reference
from promptseg.masks.rle import RLE

BOX = ("--box", "60,60,300,300")


@pytest.fixture(scope="module")
def cat(examples):
    return Pillow.open(examples / "chelsea.jpg")


def areas(text):
    return [RLE.from_coco(item["segmentation"]).area for item in json.loads(text)["annotations"]]


def test_a_page_of_a_stack(quick, cat, tmp_path) -> None:
    Pillow.new("RGB", cat.size).save(tmp_path / "stack.tif", save_all=True, append_images=[cat])
    plain = tmp_path / "cat.png"
    cat.save(plain)
    expected = areas(quick("segment", plain, *BOX, "-f", "coco")[1])
    code, out, err = quick("segment", tmp_path / "stack.tif", *BOX, "-f", "coco", "--page", 2)
    assert (code, areas(out), err) == (0, expected, "")
    code, _, err = quick("segment", tmp_path / "stack.tif", *BOX, "-f", "coco")
    assert code == 0
    assert err.count("has 2 pages or frames; the first was read") == 1
    assert len(err.splitlines()) == 1
    code, _, err = quick("segment", tmp_path / "stack.tif", *BOX, "--page", 3)
    assert (code, "there is no page 3" in err) == (2, True)


def test_channels_and_levels(quick, cat, tmp_path) -> None:
    deep = np.asarray(cat.convert("L")).astype(np.uint16) * 3  # ten bits
    deep[0, 0] = 65535
    Pillow.fromarray(deep).save(tmp_path / "deep.png")
    cat.convert("L").save(tmp_path / "grey.png")
    (expected,) = areas(quick("segment", tmp_path / "grey.png", *BOX, "-f", "coco")[1])
    code, _, err = quick("segment", tmp_path / "deep.png", *BOX, "-f", "coco")
    assert (code, "--levels stretch" in err) == (0, True)
    code, out, err = quick("segment", tmp_path / "deep.png", *BOX, "-f", "coco", "--levels", "0,765")
    assert (code, err) == (0, "")
    assert areas(out) == [pytest.approx(expected, rel=0.02)]
    code, out, _ = quick("segment", tmp_path / "grey.png", *BOX, "-f", "coco", "--channels", "1")
    assert areas(out) == [expected]
    for option, value in (("--channels", "1,2"), ("--channels", "x"), ("--levels", "bright"), ("--levels", "5,")):
        code, _, err = quick("segment", tmp_path / "grey.png", *BOX, option, value)
        assert (code, len(err.splitlines())) == (2, 1)


def test_masks_of_any_form_are_one_prompt(quick, cat, tmp_path) -> None:
    cat.save(tmp_path / "cat.png")
    inside = np.zeros((cat.height, cat.width), np.uint8)
    inside[60:260, 100:330] = 1
    forms = {
        "white": Pillow.fromarray(inside * 255),
        "one": Pillow.fromarray(inside),
        "deep": Pillow.fromarray(inside.astype(np.uint16)),
        "clear": Pillow.fromarray(np.dstack([np.full_like(inside, 255)] * 3 + [inside * 255])),
    }
    found = set()
    for name, picture in forms.items():
        picture.save(tmp_path / f"{name}.png")
        code, out, err = quick("segment", tmp_path / "cat.png", "--mask", tmp_path / f"{name}.png", "-f", "coco")
        assert (code, err) == (0, ""), name
        found.add(out)
    assert len(found) == 1
    numbered = inside * 3
    numbered[:20, :20] = 7
    Pillow.fromarray(numbered).save(tmp_path / "numbers.png")
    code, out, err = quick("segment", tmp_path / "cat.png", "--mask", f"{tmp_path / 'numbers.png'}@3", "-f", "coco")
    assert (code, err, out in found) == (0, "", True)
    code, _, err = quick("segment", tmp_path / "cat.png", "--mask", tmp_path / "numbers.png", "-f", "coco")
    assert (code, "holds the numbers 0, 3, 7" in err) == (0, True)
    code, _, err = quick("segment", tmp_path / "cat.png", "--mask", f"{tmp_path / 'numbers.png'}@4")
    assert (code, "there is no 4" in err) == (2, True)


def test_standard_input_and_output(quick, cat, tmp_path, monkeypatch) -> None:
    file = io.BytesIO()
    cat.save(file, "PNG")
    cat.save(tmp_path / "cat.png")
    quick("segment", tmp_path / "cat.png", *BOX, "-f", "png", "-o", tmp_path / "out")
    expected = (tmp_path / "out" / "cat_mask_000.png").read_bytes()
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(file.getvalue())))
    with monkeypatch.context() as patch:
        patch.setattr("promptseg.cli.streams._standard_output", lambda: written)
        code, _, _ = quick("segment", "-", *BOX, "-f", "png", "-o", "-")
    assert (code, written.getvalue()) == (0, expected)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(file.getvalue())))
    code, out, _ = quick("segment", "-", *BOX, "-f", "coco")
    assert json.loads(out)["images"][0]["file_name"] == "stdin"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    code, _, err = quick("segment", "-", *BOX)
    assert (code, "standard input: it is empty" in err) == (2, True)
    code, _, err = quick("segment", tmp_path / "cat.png", *BOX, "-f", "png", "-f", "overlay", "-o", "-")
    assert (code, "here there are 2" in err) == (2, True)
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_with_marks_and_both_ends_of_lines(tmp_path, encoding) -> None:
    for name in ("a.png", "图.png"):
        Pillow.new("L", (4, 4)).save(tmp_path / name)
    content = "".join(f"{tmp_path / name}\r\n" for name in ("a.png", "图.png"))
    (tmp_path / "list.txt").write_bytes(content.encode(encoding))
    assert [item.name for item in find_pictures(f"@{tmp_path / 'list.txt'}")] == ["a.png", "图.png"]


@pytest.mark.parametrize(
    ("text", "picture", "mask"),
    [
        (r"C:\photos\other.png:C:\photos\mask.png", r"C:\photos\other.png", r"C:\photos\mask.png"),
        ("C:/p/other.png:D:/p/mask.png@3", "C:/p/other.png", "D:/p/mask.png@3"),
        (r"other.png:C:\mask.png", "other.png", r"C:\mask.png"),
        (r"C:\other.png:mask.png", r"C:\other.png", "mask.png"),
        ("other.png:mask.png", "other.png", "mask.png"),
        ("/a/other.png:/a/mask.png", "/a/other.png", "/a/mask.png"),
        ("a:/m.png", "a", "/m.png"),
    ],
)
def test_windows_paths_of_references(text, picture, mask, monkeypatch) -> None:
    asked = []

    def made(given, *, mask):
        asked.append(given)
        return mask

    monkeypatch.setattr("promptseg.cli.prompts.Reference", lambda image, region: made(image, mask=region))
    monkeypatch.setattr("promptseg.cli.prompts.Mask.from_text", lambda text, option: asked.append(text))
    read_reference(text)
    assert sorted(asked) == sorted([picture, mask])


def test_a_colon_in_a_name_is_parted_where_both_files_are(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a:1.png", "m:2.png"):
        Pillow.fromarray(np.full((4, 4), 255, np.uint8)).save(name)
    reference = read_reference("a:1.png:m:2.png")
    assert isinstance(reference, Reference)
    assert Path(str(reference.image)).name == "a:1.png" or reference.image.size == (4, 4)
