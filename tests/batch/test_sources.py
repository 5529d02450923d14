"""Folders, globs and lists; and which record belongs to which picture."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptseg.batch.sources import find_pictures, is_batch, name_outputs
from promptseg.errors import InputError


@pytest.fixture(autouse=True)
def _tree(tmp_path, monkeypatch):
    for name in ("b.jpg", "a.PNG", "note.txt", "c.json", "deep/er/d.tiff", ".hidden/e.jpg", ".f.jpg", "x[1].jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "photos" / "folder.jpg").mkdir()
    monkeypatch.chdir(tmp_path)


def names(source):
    items = find_pictures(str(source))
    for item in items:
        assert os.path.exists(item.path)
    return [item.name for item in items]


def test_folders(tmp_path):
    expected = ["a.PNG", "b.jpg", "deep/er/d.tiff", "x[1].jpg"]
    for source in ("photos", "photos/", "./photos", tmp_path / "photos"):
        assert names(source) == expected
    os.chdir("photos")
    assert names(".") == expected
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"There are no pictures in .*empty. Looked for files ending in .bmp"):
        find_pictures(str(tmp_path / "empty"))


def test_globs(tmp_path):
    assert names("photos/*.jpg") == ["b.jpg", "x[1].jpg"]
    assert names("photos/**/*") == ["a.PNG", "b.jpg", "deep/er/d.tiff", "x[1].jpg"]
    assert names("ph*/b.jpg") == ["photos/b.jpg"]
    assert names(tmp_path / "photos" / "d*" / "er" / "*.tiff") == ["deep/er/d.tiff"]
    os.chdir("photos/deep")
    assert names("../*.jpg") == ["b.jpg", "x[1].jpg"]
    assert names("e*/../../b.jpg") == ["b.jpg"], "records never leave their folder"
    with pytest.raises(InputError, match="no pictures"):
        find_pictures("*.bmp")


def test_lists(tmp_path):
    (tmp_path / "list.txt").write_text("photos/b.jpg\n\nphotos/deep/er/d.tiff\r\nphotos/./b.jpg\n")
    assert names("@list.txt") == ["b.jpg", "deep/er/d.tiff"]
    (tmp_path / "list.txt").write_text(f"{tmp_path}/photos/note.txt")
    assert names("@list.txt") == ["note.txt"], "a list may name any file"
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(InputError, match=r"no pictures in @list\.txt"):
        find_pictures("@list.txt")
    with pytest.raises(InputError, match=r"Cannot read the list nolist\.txt: No such file"):
        find_pictures("@nolist.txt")


def test_single_pictures_and_names_that_look_like_patterns(tmp_path):
    assert names("photos/b.jpg") == ["b.jpg"]
    assert names("photos/x[1].jpg") == ["x[1].jpg"]
    (tmp_path / "@b.jpg").write_bytes(b"")
    assert names("@b.jpg") == ["@b.jpg"]
    with pytest.raises(InputError, match=r"no file or folder photos/missing\.jpg"):
        find_pictures("photos/missing.jpg")


def test_what_stands_for_many():
    for source in ("photos", "photos/", "photos/*.jpg", "@list.txt", "s3://bucket/photos"):
        assert is_batch(source)
    for source in ("photos/b.jpg", "photos/x[1].jpg", "missing.jpg"):
        assert not is_batch(source)


def test_records_have_the_name_of_the_picture():
    assert name_outputs(["b.jpg", "a/c.x.png", "nothing"]) == {
        "b.jpg": "b.json",
        "a/c.x.png": "a/c.x.json",
        "nothing": "nothing.json",
    }


def test_pictures_of_one_stem():
    assert name_outputs(["a.jpg", "a.png", "A.gif", "b/a.jpg", "c.jpg"]) == {
        "a.jpg": "a.jpg.json",
        "a.png": "a.png.json",
        "A.gif": "A.gif.json",
        "b/a.jpg": "b/a.json",
        "c.jpg": "c.json",
    }
    taken = {"a.jpg": "a.json"}
    assert name_outputs(["a.jpg", "a.png"], taken) == {"a.jpg": "a.json", "a.png": "a.png.json"}


NAMES = st.sets(
    st.builds("".join, st.lists(st.sampled_from(["a", "A", "b", ".jpg", ".json", "/"]), min_size=1, max_size=5))
    .map(lambda name: name.strip("/").replace("//", "/"))
    .filter(lambda name: name and not name.endswith(".") and "/." not in f"/{name}"),
    min_size=1,
)


@given(NAMES, NAMES)
def test_no_two_pictures_share_a_record(first, second):
    taken = name_outputs(first)
    both = name_outputs(first | second, taken)
    assert both.keys() == first | second
    assert both.items() >= taken.items()
    assert len({output.casefold() for output in both.values()}) == len(both)
    for name, output in both.items():
        assert output.endswith(".json")
        assert os.path.dirname(output) == os.path.dirname(name)
    assert name_outputs(sorted(first, reverse=True)) == taken, "the order does not matter"
