"""A disk that is full, and results beside the pictures that they are made from."""

import errno
import os

import pytest
from PIL import Image as Pillow

from promptseg import files
from promptseg.batch.labeler import LabelerSettings
from promptseg.batch.manifest import Entry, Manifest
from promptseg.errors import OutputError

CLICK = ("--point", "220,150")


@pytest.fixture
def full(monkeypatch):
    """The disk takes a part of every file, then no more."""

    def open_full(descriptor, mode):
        file = os.fdopen(descriptor, mode, buffering=0)

        class Full:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            def write(self, content):
                file.write(bytes(content)[:10])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return Full()

    class Os:
        def __getattr__(self, name):
            return open_full if name == "fdopen" else getattr(os, name)

    return lambda: monkeypatch.setattr(files, "os", Os())


def test_a_full_disk_is_one_line_and_the_old_file_stays(quick, full, examples, tmp_path):
    command = ("segment", str(examples / "chelsea.jpg"), *CLICK, "-f", "coco", "-o", str(tmp_path))
    assert quick(*command)[0] == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert [*before] == ["chelsea_coco.json"]
    full()
    code, out, told = quick(*command, "--overwrite")
    assert (code, out, told.count("\n")) == (2, "", 1)
    assert "chelsea_coco.json: No space left on device. Choose another place with -o." in told
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_manifest_on_a_full_disk_goes_on_later(monkeypatch, tmp_path):
    settings = LabelerSettings().essence()
    with Manifest(tmp_path, settings) as manifest:
        manifest.add(Entry("a.jpg", "a.json", 5, 1))
        real = os.write
        answers = iter([lambda file, line: real(file, line[:7])])

        def write(file, line):
            for answer in answers:
                return answer(file, line)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", write)
        with pytest.raises(OutputError, match=r"manifest\.jsonl: No space left"):
            manifest.add(Entry("b.jpg", "b.json", 5, 1))
        monkeypatch.setattr(os, "write", real)
    with Manifest(tmp_path, settings) as manifest:
        assert [*manifest.entries] == ["a.jpg"]


def test_results_beside_their_pictures(quick, examples, tmp_path):
    """No picture is replaced, and a second run makes nothing more."""
    picture = tmp_path / "cat.png"
    Pillow.open(examples / "chelsea.jpg").resize((64, 48)).save(picture)
    content = picture.read_bytes()
    command = ("everything", str(tmp_path), "-o", str(tmp_path), "--format", "sa1b", "--points-per-side", "2")
    assert quick(*command)[0] == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"cat.png", "cat.json", "manifest.jsonl"}
    code, _, told = quick(*command)
    assert code == 0, told
    assert {path.name for path in tmp_path.iterdir()} == names
    assert picture.read_bytes() == content
    click = ("segment", str(picture), "--point", "30,20", "-f", "png", "-o", str(tmp_path))
    assert quick(*click)[0] == 0
    assert quick(*click)[0] == 2
    assert picture.read_bytes() == content
    assert {path.name for path in tmp_path.iterdir()} == {*names, "cat_mask_000.png"}
