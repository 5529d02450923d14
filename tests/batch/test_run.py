"""Runs over many pictures: workers, bad pictures, resuming, full disks."""

import errno
import json
import os
from pathlib import Path

import pytest
from fakes_for_batch import DyingLabeler, QuickLabeler, RefusingLabeler, make_pictures, records_in

from promptseg.batch import Item, LabelerSettings, label_pictures
from promptseg.batch.manifest import Entry, Manifest, picture_mark
from promptseg.errors import FormatError, InputError, OutputError, PromptsegError, WeightsError
from promptseg.formats import read_sa1b
from promptseg.runtimes.options import EngineOptions

SETTINGS = LabelerSettings()


@pytest.fixture
def items(tmp_path):
    return make_pictures(tmp_path / "pictures", 6)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def label(items, out="out", **options):
    return label_pictures(items, out, SETTINGS, **{"make": QuickLabeler, **options})


def stopping(after):
    """An observer that stops a run, as an interrupt from the keyboard would."""

    def observe(outcome):
        if outcome.done == after:
            raise KeyboardInterrupt

    return observe


@pytest.mark.parametrize("workers", [1, 2])
def test_records_progress_and_summary(items, tmp_path, workers):
    seen = []
    summary = label(items, workers=workers, on_outcome=seen.append)
    assert (summary.labelled, summary.masks, summary.skipped, summary.failed) == (6, 12, 0, {})
    assert [outcome.done for outcome in seen] == [1, 2, 3, 4, 5, 6]
    assert {outcome.name for outcome in seen} == {item.name for item in items}
    assert sorted(records_in(tmp_path / "out")) == [f"{number:02d}.json" for number in range(6)]
    for outcome in seen:
        assert (outcome.total, outcome.masks, outcome.error) == (6, 2, "")
        picture = read_sa1b(outcome.output)
        assert picture.file_name == outcome.name
        assert len(picture.segments) == 2
    again = label(items, workers=workers, on_outcome=seen.append)
    assert (again.labelled, again.skipped, len(seen)) == (0, 6, 6)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_run_goes_on(items, tmp_path, workers):
    with pytest.raises(KeyboardInterrupt):
        label(items, workers=workers, on_outcome=stopping(3))
    first = records_in(tmp_path / "out")
    assert len(first) == 3
    dates = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in first}
    summary = label(items, workers=workers)
    assert (summary.labelled, summary.skipped) == (3, 3)
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in first} == dates
    label(items, tmp_path / "whole")
    assert records_in(tmp_path / "out") == records_in(tmp_path / "whole")


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_pictures_are_reported_and_skipped(items, tmp_path, workers):
    (tmp_path / "pictures" / "bad.png").write_bytes(b"no picture")
    names = ["bad.png", "missing.png", "odd.png", "huge.png"]
    bad = [Item(name, str(tmp_path / "pictures" / name)) for name in names]
    summary = label([*bad, *items], workers=workers)
    assert summary.labelled == 6
    assert set(summary.failed) == set(names)
    assert "not a picture" in summary.failed["bad.png"]
    assert "There is no file" in summary.failed["missing.png"]
    assert "unexpected ZeroDivisionError" in summary.failed["odd.png"]
    assert "memory" in summary.failed["huge.png"]
    assert len(records_in(tmp_path / "out")) == 6
    again = label([*bad, *items], workers=workers)
    assert (again.labelled, again.skipped, len(again.failed)) == (0, 6, 4), "failed ones are tried again"
    (tmp_path / "pictures" / "bad.png").write_bytes((tmp_path / "pictures" / "00.png").read_bytes())
    assert label([*bad, *items], workers=workers).labelled == 1


def test_a_picture_that_kills_its_worker(items, tmp_path):
    deadly = Item("deadly.png", items[0].path)
    unlucky = Item("unlucky.png", items[0].path)
    summary = label([deadly, unlucky, *items], workers=2)
    assert summary.labelled == 7, "the unlucky one was tried once more"
    assert list(summary.failed) == ["deadly.png"]
    assert "2 worker processes died of it, the last with code -9" in summary.failed["deadly.png"]


def test_workers_that_cannot_start(items, tmp_path):
    for workers in (1, 2):
        with pytest.raises(WeightsError, match="no weights here"):
            label(items, workers=workers, make=RefusingLabeler)
    with pytest.raises(PromptsegError, match="ended with code 7 before it was ready"):
        label(items, workers=2, make=DyingLabeler)
    with pytest.raises(InputError, match="workers must be at least 1"):
        label(items, workers=0)
    assert records_in(tmp_path / "out") == {}


@pytest.mark.parametrize("call", ["fsync", "write"])
def test_a_full_disk_is_said_and_leaves_nothing_half(items, tmp_path, monkeypatch, call):
    real, calls = getattr(os, call), 0

    def full(*arguments):
        nonlocal calls
        calls += 1
        if calls < 6:
            return real(*arguments)
        if call == "write":
            real(arguments[0], arguments[1][:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(OutputError, match=r"Cannot write .* No space left on device"):
            label(items)
    for name in records_in(tmp_path / "out"):
        read_sa1b(tmp_path / "out" / name)
    assert label(items).labelled > 0
    assert len(records_in(tmp_path / "out")) == 6


def test_leftovers_are_swept_and_nothing_else(items, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    ours, others = f".00.json.{'0' * 16}.part", [".00.png." + "0" * 16 + ".part", ".mine.part", "x.part"]
    for name in (ours, *others):
        (out / name).write_bytes(b"half")
    label(items)
    assert sorted(set(os.listdir(out)) & {ours, *others}) == sorted(others)


def test_a_record_that_is_gone_or_changed_is_made_again(items, tmp_path):
    label(items)
    whole = records_in(tmp_path / "out")
    (tmp_path / "out" / "01.json").unlink()
    (tmp_path / "out" / "02.json").write_bytes(b"{}")
    assert label(items).labelled == 2
    assert records_in(tmp_path / "out") == whole


def test_settings_must_stay(items, tmp_path):
    label(items[:2])
    other = LabelerSettings(options=SETTINGS.options.changed(points_per_side=7), engine=EngineOptions(threads=1))
    with pytest.raises(InputError, match=r"made with other settings \(options\)"):
        label_pictures(items, "out", other, make=QuickLabeler)
    assert (
        label_pictures(items, "out", LabelerSettings(engine=EngineOptions(threads=3)), make=QuickLabeler).skipped == 2
    )


def test_two_runs_do_not_share_a_folder(items, tmp_path):
    with Manifest(tmp_path / "out", SETTINGS.essence()), pytest.raises(InputError, match="Another run"):
        label(items)
    assert label(items).labelled == 6


def manifest_lines(tmp_path):
    return (tmp_path / "out" / "manifest.jsonl").read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line(items, tmp_path, cut):
    label(items)
    path = tmp_path / "out" / "manifest.jsonl"
    lines = manifest_lines(tmp_path)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:-cut])
    assert label(items).labelled == 1
    assert sorted(manifest_lines(tmp_path)) == sorted(lines)


def test_damaged_lines_cost_their_picture_only(items, tmp_path):
    label(items)
    path = tmp_path / "out" / "manifest.jsonl"
    lines = manifest_lines(tmp_path)
    lines[2:4] = [bytes(50) + b"\n", b'{"name": 5}\n', b"[" * 100_000 + b"\n"]
    path.write_bytes(b"".join(lines))
    assert label(items).labelled == 2
    path.write_bytes(b"something else\n")
    with pytest.raises(FormatError, match="not a manifest"):
        label(items)
    path.write_bytes(b'{"format": 99}\n')
    with pytest.raises(FormatError, match="not a manifest of this version"):
        label(items)
    path.write_bytes(b'{"promptseg": "0.1.0", "for')
    assert label(items).labelled == 6, "killed at its first line"


def test_manifest_lines_are_plain(items, tmp_path):
    label([*items[:1], Item("none\udcff.png", "none.png")])
    head, first, second = map(json.loads, manifest_lines(tmp_path))
    assert head["settings"]["model"] == "mobile-sam-clicks"
    size = (tmp_path / "out" / "00.json").stat().st_size
    assert first.pop("picture") == picture_mark(items[0].path)
    assert first == {"name": "00.png", "output": "00.json", "bytes": size, "masks": 2}
    assert second["name"] == "none\udcff.png"
    assert "There is no file" in second["error"]
    assert Entry.from_json(second).to_json() == second


def test_places_that_cannot_be_written(items, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for place in ("file", "file/deeper", "/proc/nowhere"):
        with pytest.raises(OutputError, match="Cannot write"):
            label(items, place)


def test_a_replaced_picture_is_noticed(items, tmp_path):
    label(items)
    old = Path(items[0].path)
    content, status = old.read_bytes(), old.stat()
    os.utime(old, (1, 1))
    assert label(items).skipped == len(items), "the same picture with another date"
    old.write_bytes(Path(items[1].path).read_bytes())
    with pytest.raises(OutputError, match=f"{items[0].name} was replaced .* --overwrite"):
        label(items)
    summary = label(items, overwrite=True)
    assert (summary.labelled, summary.skipped) == (1, len(items) - 1)
    assert label(items).labelled == 0
    old.write_bytes(content)
    os.utime(old, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(OutputError, match="was replaced"):
        label(items)


def test_files_of_others_are_not_written_over(items, tmp_path):
    out = tmp_path / "own"
    out.mkdir()
    (out / Path(items[0].name).with_suffix(".json")).parent.mkdir(parents=True, exist_ok=True)
    mine = out / Path(items[0].name).with_suffix(".json")
    mine.write_text("mine")
    with pytest.raises(OutputError, match="there already"):
        label_pictures(items, out, SETTINGS, make=QuickLabeler)
    assert mine.read_text() == "mine"
    assert label_pictures(items, out, SETTINGS, make=QuickLabeler, overwrite=True).labelled == len(items)


WRONG_LINES = {
    "upwards": {"output": "../victim/important.json"},
    "absolute": {"output": "/absolute/00.json"},
    "empty": {"output": ""},
    "the folder": {"output": "."},
    "null": {"output": "\0"},
    "surrogate": {"output": "\ud800"},
    "the manifest": {"output": "manifest.jsonl"},
    "another picture's": {"output": "01.json"},
    "no record": {"output": "00.jpg"},
    "long": {"output": "z" * 5000},
    "through itself": {"output": "x/../00.json"},
    "negative size": {"bytes": -1},
    "negative masks": {"masks": -5},
    "name upwards": {"name": "../victim/important.jpg", "output": "../victim/important.json"},
    "name absolute": {"name": "/victim/important.jpg", "output": "/victim/important.json"},
}


@pytest.mark.parametrize("wrong", WRONG_LINES.values(), ids=WRONG_LINES.keys())
def test_a_manifest_that_was_changed_sends_no_file_elsewhere(items, tmp_path, wrong):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "important.json").write_text("do not touch")
    (victim / ".important.json.0123456789abcdef.part").write_text("x")
    label(items[:1])
    manifest = tmp_path / "out" / "manifest.jsonl"
    head = manifest.read_text().splitlines()[0]
    line = {"name": items[0].name, "output": "00.json", "bytes": 1, "masks": 0, **wrong}
    manifest.write_text(f"{head}\n{json.dumps(line)}\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FormatError, match=r"which no run writes\. Nothing was written"):
        label(items)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_two_pictures_have_no_record_together(tmp_path):
    pictures = make_pictures(tmp_path / "pictures", 1)
    label(pictures)
    manifest = tmp_path / "out" / "manifest.jsonl"
    stem = os.path.splitext(pictures[0].name)[0]
    with manifest.open("a") as file:
        file.write(json.dumps({"name": f"{stem}.bmp", "output": f"{stem}.json", "bytes": 1, "masks": 0}) + "\n")
    with pytest.raises(FormatError, match="has one record"):
        label(pictures)


def test_a_link_in_the_folder_leads_no_record_out_of_it(tmp_path):
    [item] = make_pictures(tmp_path / "pictures", 1)
    (tmp_path / "victim").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match="is a link out of out"):
        label([Item(f"sub/{item.name}", item.path)])
    assert not list((tmp_path / "victim").iterdir())
