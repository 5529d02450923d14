"""`promptseg everything` on many pictures, and `promptseg embed`: what a user types, and what is there afterwards."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as Pillow

from promptseg import Segmenter
from promptseg.batch import ray_engine
from promptseg.batch.run import BatchSummary
from promptseg.formats import read_sa1b

SCRIPT = Path(sys.executable).with_name("promptseg")
QUICK = ("--mode", "exact", "--points-per-side", "2", "--runtime", "onnx", "--threads", "1")


@pytest.fixture
def photos(examples, tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name, place in (("chelsea", "cat.jpg"), ("rocket", "sub/rocket.png")):
        picture = Pillow.open(examples / f"{name}.jpg")
        picture.resize((picture.width // 2, picture.height // 2)).save(folder / place)
    return folder


@pytest.fixture
def warm(run, segmenter, monkeypatch):
    """The command with the model that is loaded already; worker processes load their own."""
    monkeypatch.setattr(Segmenter, "of", lambda *_, **__: segmenter)
    return run


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name != "manifest.jsonl"
    }


def test_a_folder_stop_and_resume(warm, photos):
    code, out, err = warm("everything", photos, "--format", "sa1b", *QUICK)
    assert code == 0, err
    assert out.splitlines() == ["out/cat.json", "out/sub/rocket.json"]
    assert "2 pictures with " in err.splitlines()[-1]
    assert ", 0 done before, 0 failed" in err
    picture = read_sa1b("out/sub/rocket.json")
    assert picture.file_name == "rocket.png"
    assert picture.segments.size == (213, 320)
    assert len(picture.segments) > 0
    whole = files("out")
    code, out, err = warm("everything", photos, *QUICK)
    assert (code, out) == (0, "")
    assert "0 pictures with 0 masks, 2 done before, 0 failed" in err
    code, _, err = warm("everything", photos, *QUICK, "--pred-iou-thresh", "0.5")
    assert code == 2
    assert "out holds records that were made with other settings (options)" in err
    # One is bad now, one is gone.
    (photos / "bad.jpg").write_bytes(b"no picture")
    os.unlink("out/cat.json")
    code, out, err = warm("everything", f"{photos}/**/*", "--workers", "2", *QUICK)
    assert code == 1
    assert out.splitlines() == ["out/cat.json"]
    assert "promptseg: skipped bad.jpg: " in err
    assert "1 pictures" in err.splitlines()[-1]
    assert "1 done before, 1 failed" in err
    assert files("out") == whole


def test_killed_in_mid_run(photos, warm):
    command = [SCRIPT, "everything", photos, "-o", "killed", *QUICK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline() == "killed/cat.json\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    read_sa1b("killed/cat.json")
    assert warm("everything", photos, "-o", "killed", *QUICK)[0] == 0
    assert warm("everything", photos, "-o", "whole", *QUICK)[0] == 0
    assert files("killed") == files("whole")


def test_lists_and_single_pictures(warm, photos):
    Path("list.txt").write_text("photos/sub/rocket.png\n")
    assert warm("everything", "@list.txt", *QUICK)[1] == "out/rocket.json\n"
    assert warm("everything", "photos/sub/rocket.png", "-f", "sa1b", "-o", "one", *QUICK)[1] == "one/rocket.json\n"
    assert Path("one/rocket.json").read_bytes() == Path("out/rocket.json").read_bytes()


def test_ray_gets_what_was_asked(run, photos, monkeypatch):
    asked = []

    def label(source, output, settings, *, actors, overwrite, on_outcome):
        asked.append((source, output, settings, actors))
        return BatchSummary(failed={"a.jpg": "bad"})

    monkeypatch.setattr(ray_engine, "label_with_ray", label)
    code, _, err = run("everything", "s3://bucket/photos", "-o", "s3://bucket/out", "--engine", "ray", "--workers", 7)
    assert code == 1
    assert "1 failed" in err
    ((source, output, settings, actors),) = asked
    assert (source, output, actors, settings.engine.threads) == ("s3://bucket/photos", "s3://bucket/out", 7, None)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("photos", "-f", "png"), "stands for many pictures, which are written as --format sa1b only"),
        (("photos/cat.jpg", "-f", "png", "-f", "sa1b"), "sa1b stands alone"),
        (("photos/cat.jpg", "--workers", "2"), "are for --format sa1b"),
        (("photos", "--engine", "abacus"), "Unknown engine 'abacus': expected one of local, ray"),
        (("photos", "--workers", "0"), "--workers must be at least 1"),
        (("photos", "--points-per-side", "0"), "points_per_side"),
        (("nothing/*.jpg",), "There are no pictures in nothing/"),
        (("@missing.txt",), "Cannot read the list missing.txt"),
        (("missing.jpg", "-f", "sa1b"), "There is no file or folder missing.jpg"),
        (("s3://bucket/photos",), "is an address, which --engine ray reads"),
        (("photos", "--model", "sam9"), "no model called 'sam9'"),
        (("photos", "--model", "sam9", "--workers", "2"), "no model called 'sam9'"),
        (("photos", "--weights", "photos/cat.jpg"), "not a safetensors file"),
        (("photos", "-o", "photos/cat.jpg"), "Cannot write photos/cat.jpg"),
        (("photos", "--cache", "photos/cat.jpg", *QUICK), "is a file. Give a folder"),
    ],
)
def test_bad_input(run, photos, arguments, hint):
    before = files(".")
    code, out, err = run("everything", *arguments)
    assert (code, out) == (2, "")
    assert hint in err
    assert err.splitlines()[-1].startswith("promptseg: ")
    assert "Traceback" not in err
    assert files(".") == before


def test_embed_fills_a_cache_that_segment_uses(run, photos, monkeypatch):
    engine = ("--runtime", "onnx", "--threads", "1")
    (photos / "bad.jpg").write_bytes(b"no picture")
    code, out, err = run("embed", photos, "--cache", "kept", *engine)
    assert (code, out) == (1, "")
    assert "promptseg: skipped bad.jpg: " in err
    assert "2 embedded, 0 there before, 1 failed: kept" in err
    assert len(files("kept")) == 2
    (photos / "bad.jpg").unlink()
    from promptseg.runtimes.onnx import OnnxRuntime

    monkeypatch.setattr(OnnxRuntime, "encode", lambda *_: pytest.fail("embedded again"))
    code, _, err = run("embed", photos, "--cache", "kept", *engine)
    assert code == 0
    assert "0 embedded, 2 there before, 0 failed" in err
    point = ("--point", "110,75", "-f", "coco")
    assert run("segment", photos / "cat.jpg", *point, "--cache", "kept", *engine)[0] == 0


def test_embed_keeps_to_its_limit_and_place(run, photos, monkeypatch):
    from promptseg.runtimes.onnx import OnnxRuntime

    features = []

    def encode(self, image):
        import numpy as np

        features.append(1)
        return np.full((1, 256, 64, 64), len(features), np.float32)

    monkeypatch.setattr(OnnxRuntime, "encode", encode)
    monkeypatch.setenv("PROMPTSEG_CACHE", "home")
    assert run("embed", photos, "--limit", "3MB", "--runtime", "onnx")[0] == 0
    assert len(features) == 2
    assert len(files("home/embeddings")) == 1
    for limit in ("lots", "5 apples", "0GB", "-3MB", "nan", ""):
        code, _, err = run("embed", photos, "--limit", limit)
        assert code == 2
        assert "A size is a number with KB, MB, GB or TB" in err
    code, _, err = run("embed", photos / "missing")
    assert code == 2
    assert "There is no file or folder" in err
