"""Bad input: exit code 2, one clear line on stderr, no traceback, no files."""

import os
import pickle

import numpy as np
import pytest
from PIL import Image as Pillow

from promptseg.models.tensors import write_safetensors

CAT = ("--point", "220,150")


@pytest.fixture
def places(tmp_path, examples):
    """A folder with everything that can be wrong."""
    cat = (examples / "chelsea.jpg").read_bytes()
    for name, content in {
        "cat.jpg": cat,
        "half.jpg": cat[: len(cat) // 2],
        "text.jpg": b"this is no picture",
        "empty.jpg": b"",
        "pickle.pth": pickle.dumps({"a": 1}),
        "zip.pth": b"PK\x03\x04" + bytes(100),
        "garbage.safetensors": os.urandom(500),
        "half.json": b'[{"type": "po',
        "latin.json": b'["\xff"]',
        "deep.json": b"[" * 100_000,
        "empty.json": b"[]",
        "object.json": b"{}",
        "mixed.json": b'[[{"type": "point", "x": 1, "y": 2}], {"type": "point", "x": 1, "y": 2}]',
        "nan.json": b'[{"type": "point", "x": NaN, "y": 2}]',
        "huge.json": b'[{"type": "point", "x": 1e999, "y": 2}]',
        "unknown.json": b'[{"type": "ellipse"}]',
        "nothing.json": b"[[]]",
        "in the way": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
    Pillow.fromarray(np.zeros((300, 451), np.uint8)).save(tmp_path / "black.png")
    write_safetensors(tmp_path / "other.safetensors", {"a.weight": np.zeros((2, 3), np.float32)})
    (tmp_path / "folder").mkdir()
    return tmp_path


CASES = {
    # pictures
    "missing file": ("missing.jpg", CAT, "There is no file missing.jpg"),
    "folder": ("folder", CAT, "folder is a folder"),
    "text": ("text.jpg", CAT, "text.jpg is not a picture that is known here"),
    "truncated": ("half.jpg", CAT, "half.jpg is a damaged"),
    "empty": ("empty.jpg", CAT, "empty.jpg is empty"),
    "endless file": ("/dev/zero", CAT, "not a regular file"),
    "address": ("https://example.org/a.jpg", CAT, "download it first"),
    # prompts
    "none": ("cat.jpg", (), "Show the object with at least one of --point"),
    "only negative": ("cat.jpg", ("--not", "1,2"), "Show the object"),
    "word": ("cat.jpg", ("--point", "abc"), "--point expects x,y in pixels .like 320,210., got 'abc'"),
    "one number": ("cat.jpg", ("--point", "12"), "--point expects x,y"),
    "three numbers": ("cat.jpg", ("--point", "1,2,3"), "--point expects x,y"),
    "empty point": ("cat.jpg", ("--point", ""), "--point expects x,y"),
    "nan": ("cat.jpg", ("--point", "nan,2"), "finite"),
    "inf": ("cat.jpg", ("--box", "1,2,inf,4"), "finite"),
    "outside": ("cat.jpg", ("--point", "452,10"), "452,10 lies outside the picture of 451 x 300"),
    "negative number": ("cat.jpg", ("--point", "-5,10"), "-5,10 lies outside"),
    "no area": ("cat.jpg", ("--box", "5,5,5,9"), "width and a height"),
    "three corners": ("cat.jpg", ("--box", "5,5,9"), "--box expects x0,y0,x1,y1"),
    "box outside": ("cat.jpg", ("--box", "500,5,600,9"), "does not overlap"),
    "two corners": ("cat.jpg", ("--polygon", "1,2 3,4"), "at least 3 points, got 2"),
    "empty polygon": ("cat.jpg", ("--polygon", ""), "at least 3 points, got 0"),
    "odd polygon": ("cat.jpg", ("--polygon", "1,2 3 4,5"), "--polygon expects x,y"),
    "polygon outside": ("cat.jpg", ("--polygon", "900,900 950,900 950,950"), "does not touch"),
    "no width": ("cat.jpg", ("--scribble", "1,2 3,4", "--scribble-width", "0"), "width must be positive"),
    "nan width": ("cat.jpg", ("--scribble", "1,2 3,4", "--scribble-width", "nan"), "finite"),
    "word width": ("cat.jpg", ("--scribble", "1,2 3,4", "--scribble-width", "x"), "--scribble-width"),
    "no mask": ("cat.jpg", ("--mask", "missing.png"), "There is no file missing.png"),
    "no mask picture": ("cat.jpg", ("--mask", "text.jpg"), "not a picture"),
    "black mask": ("cat.jpg", ("--mask", "black.png"), "mask prompt is empty"),
    "no prompts": ("cat.jpg", ("--prompts", "missing.json"), "Cannot read missing.json: No such file"),
    "prompts folder": ("cat.jpg", ("--prompts", "folder"), "Cannot read folder"),
    **{
        f"{name} prompts": ("cat.jpg", ("--prompts", f"{name}.json"), hint)
        for name, hint in {
            "half": "half.json is not JSON",
            "latin": "latin.json is not JSON",
            "deep": "nested too deeply",
            "empty": "must hold a list of prompts",
            "object": "must hold a list of prompts",
            "mixed": "mixes prompts with lists",
            "nan": "finite",
            "huge": "finite",
            "unknown": "Unknown prompt type 'ellipse'",
            "nothing": "Object 0 has no prompt",
        }.items()
    },
    "both": ("cat.jpg", (*CAT, "--prompts", "nan.json"), "not both"),
    # options
    "format": ("cat.jpg", (*CAT, "-f", "bmp"), "Unknown format 'bmp': expected one of coco"),
    "granularity": ("cat.jpg", (*CAT, "--granularity", "big"), "Unknown granularity 'big'"),
    "model": ("cat.jpg", (*CAT, "--model", "sam9"), "no model called 'sam9'. Known models: mobile-sam"),
    "model not here": ("cat.jpg", (*CAT, "--model", "sam-vit-h"), "promptseg models download sam-vit-h"),
    "runtime": ("cat.jpg", (*CAT, "--runtime", "abacus"), "Unknown runtime 'abacus'"),
    "precision": ("cat.jpg", (*CAT, "--runtime", "onnx", "--precision", "int4"), "float32"),
    "device": ("cat.jpg", (*CAT, "--runtime", "onnx", "--device", "cuda"), "CPU only"),
    "no threads": ("cat.jpg", (*CAT, "--threads", "0"), "threads must be at least 1"),
    "word threads": ("cat.jpg", (*CAT, "--threads", "two"), "--threads"),
    "unknown option": ("cat.jpg", (*CAT, "--colour", "red"), "No such option:? '?--colour"),
    # weights
    "pickle": ("cat.jpg", (*CAT, "--weights", "pickle.pth"), "promptseg models convert pickle.pth"),
    "zip": ("cat.jpg", (*CAT, "--weights", "zip.pth"), "pickle checkpoint"),
    "garbage": ("cat.jpg", (*CAT, "--weights", "garbage.safetensors"), "not a safetensors file"),
    "other weights": ("cat.jpg", (*CAT, "--weights", "other.safetensors"), "mobile-sam"),
    "wrong weights": ("cat.jpg", (*CAT, "--model", "sam-vit-b", "--weights", "{embedded}"), "sam-vit-b"),
    "no weights": ("cat.jpg", (*CAT, "--weights", "missing.safetensors"), "no weights file"),
    "weights folder": ("cat.jpg", (*CAT, "--weights", "folder"), "cannot be read: Is a directory"),
}


def check(result, hint):
    code, out, err = result
    assert code == 2, (out, err)
    assert out == ""
    assert err.startswith("promptseg: ")
    assert len(err.splitlines()) == 1, err
    assert len(err) < 500
    assert "Traceback" not in err
    import re

    assert re.search(hint, err), err


@pytest.mark.parametrize("case", CASES)
def test_one_clear_line(run, places, monkeypatch, case):
    from promptseg.models.registry import embedded_weights_path

    monkeypatch.setenv("PROMPTSEG_CACHE", str(places / "cache"))
    before = sorted(os.listdir())
    picture, options, hint = CASES[case]
    options = [part.format(embedded=embedded_weights_path()) for part in options]
    check(run("segment", picture, *options, "-o", "results"), hint)
    assert sorted(os.listdir()) == before, "no partial files"


@pytest.mark.parametrize("target", ["in the way", "in the way/deeper", "/proc/nowhere", "x" * 300])
def test_places_that_cannot_be_written(quick, places, target):
    before = sorted(os.listdir())
    check(quick("segment", "cat.jpg", *CAT, "-o", target, "-f", "png"), "Cannot write")
    assert sorted(os.listdir()) == before


def test_usage(run, places):
    check(run("segment"), "Missing argument 'image'. See: promptseg segment --help")
    check(run("segment", "cat.jpg", "--point"), "'--point' requires an argument")
    check(run("nonsense"), "No such command 'nonsense'")
    check(run("models", "download", "sam9"), "no model called 'sam9'")
    check(run("export", "--model", "sam9", "-o", "x"), "no model called 'sam9'")
    check(run("export"), "Missing option '-o'")


def test_a_full_memory_is_said(run, places, monkeypatch):
    from promptseg import Image

    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image, "open", full)
    check(run("segment", "cat.jpg", *CAT), "not enough memory")


def test_interrupted(run, places, monkeypatch):
    from promptseg import Image

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Image, "open", stopped)
    assert run("segment", "cat.jpg", *CAT) == (130, "", "")
