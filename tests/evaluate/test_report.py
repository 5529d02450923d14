"""Tables, JSON, CSV and where the numbers come from."""

import csv
import io
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from promptseg.errors import InputError, OutputError
from promptseg.evaluate import origin as origin_module
from promptseg.evaluate.contest import ClickReport, Trace
from promptseg.evaluate.origin import Provenance, provenance
from promptseg.evaluate.report import to_csv, to_json, to_table, write_report
from promptseg.evaluate.summary import summarise

ORIGIN = Provenance(
    model="mobile_sam.safetensors",
    runtime="onnx float32",
    commit="abc1234",
    processor="Test CPU",
    date="2025-01-31",
)
FIRST = np.array([[0.5, 0.86, 0.91], [0.92, 0.4, 0.88], [0.1, 0.2, 0.3], [0.85, 0.85, 0.85]])


def report(clicks: int = 3) -> ClickReport:
    first = FIRST[:, :clicks]
    boundary = np.stack([first[:, 0] / 2, np.full(4, np.nan)], 1)
    traces = (
        Trace("old", first, boundary, 0.25, 0.05),
        Trace("new", np.minimum(first + 0.05, 1), boundary, 0.2, 0.04),
    )
    return ClickReport("tiny", "masks", clicks, ("a", "b", "c", "d"), ("p", "p", "q", "r"), traces)


def test_summary_by_hand():
    old, new = summarise(report())
    values = {measure.name: measure.value.mean for measure in old.measures}
    assert values == pytest.approx(
        {
            "IoU@1": 0.5925,
            "IoU@2": 0.5775,
            "IoU@3": 0.735,
            "BIoU@1": 0.29625,
            "NoC@85": (2 + 1 + 3 + 1) / 4,
            "NoC@90": (3 + 1 + 3 + 3) / 4,
            "never 85": 0.25,
            "never 90": 0.5,
            "worst drop": 0.13,
            "drop > 0.1": 0.25,
        }
    )
    assert old.failures == {85: 1, 90: 2}
    assert old.drop_max == pytest.approx(0.52)
    assert old.drop_p95 == pytest.approx(np.percentile([0, 0.52, 0, 0], 95))
    assert all(measure.difference is None for measure in old.measures)
    difference = {measure.name: measure.difference for measure in new.measures}
    assert difference["IoU@1"].mean == pytest.approx(0.05)
    assert difference["IoU@1"].low == pytest.approx(0.05)  # the same on every target: no doubt about it
    assert difference["IoU@1"].high == pytest.approx(0.05)


@pytest.mark.parametrize("markdown", [True, False])
def test_table_is_aligned_and_complete(markdown):
    table = to_table(report(), ORIGIN, markdown=markdown)
    rows = table.split("\n\n")[0].splitlines()
    if markdown:
        assert len({len(row) for row in rows}) == 1
        assert len({tuple(match.start() for match in re.finditer(r"\|", row)) for row in rows}) == 1
        assert re.fullmatch(r"\| -+ (\| -+: ){3}\|", rows[1])
    assert re.search(r"IoU@1 .*59\.2 \[.*64\.2 \[.*\+5\.0 \[\+5\.0, \+5\.0\]", table)
    assert re.search(r"NoC@90 .*2\.50 \[", table)
    assert re.search(r"failures@90 .*2 ", table)
    assert re.search(r"drop max .*52\.0", table)
    for fact in (
        "tiny",
        "4 targets on 3 pictures",
        "mobile_sam",
        "onnx float32",
        "abc1234",
        "Test CPU",
        "2025-01-31",
    ):
        assert fact in table


def test_one_click_is_enough_for_a_report():
    table = to_table(report(1), ORIGIN)
    assert "IoU@1" in table
    assert "IoU@2" not in table
    json.dumps(to_json(report(1), ORIGIN), allow_nan=False)


def test_json_holds_everything():
    content = json.loads(json.dumps(to_json(report(), ORIGIN), allow_nan=False))
    assert content["dataset"] == "tiny"
    assert content["targets"] == 4
    assert content["pictures"] == 3
    assert content["commit"] == "abc1234"
    old, new = content["contestants"]
    assert old["ious"] == FIRST.tolist()
    assert old["boundary_ious"][0] == [0.25, None]
    assert old["measures"]["IoU@1"]["difference"] is None
    assert new["measures"]["IoU@1"]["difference"]["mean"] == pytest.approx(0.05)
    assert old["failures"] == {"85": 1, "90": 2}
    assert content["target_names"][1] == ["p", "b"]


def test_csv_is_one_line_per_measure():
    rows = list(csv.DictReader(io.StringIO(to_csv(report(), ORIGIN))))
    assert {row["contestant"] for row in rows} == {"old", "new"}
    found = next(row for row in rows if (row["contestant"], row["measure"]) == ("new", "IoU@1"))
    assert float(found["mean"]) == pytest.approx(0.6425)
    assert float(found["difference_mean"]) == pytest.approx(0.05)
    assert found["processor"] == "Test CPU"
    assert next(row for row in rows if row["measure"] == "failures@90")["mean"] == "2.0"
    assert all(None not in row and None not in row.values() for row in rows)


@pytest.mark.parametrize(
    ("suffix", "start"), [("json", b"{"), ("csv", b"dataset,"), ("md", b"| tiny"), ("txt", b"tiny")]
)
def test_reports_are_written_by_suffix(tmp_path, suffix, start):
    path = tmp_path / "new" / f"report.{suffix}"
    write_report(path, report(), ORIGIN)
    assert path.read_bytes().startswith(start)
    assert list(path.parent.iterdir()) == [path]


def test_other_suffix_and_unwritable_place_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.json, \.csv, \.md or \.txt"):
        write_report(tmp_path / "report.html", report(), ORIGIN)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_report(tmp_path / "file" / "report.md", report(), ORIGIN)


def test_provenance_is_filled_in():
    origin = provenance("model", "onnx float32")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", origin.date)
    assert origin.processor
    assert origin.commit


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A repository that holds a copy of the module, not yet committed."""
    file = tmp_path / "origin.py"
    file.write_text("# a copy\n")
    git(tmp_path, "init")
    monkeypatch.setattr(origin_module, "__file__", str(file))
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_commit_of_a_tracked_file(checkout):
    git(checkout, "add", "origin.py")
    git(checkout, "commit", "-m", "first")
    commit = git(checkout, "rev-parse", "HEAD")
    assert commit.startswith(provenance("m", "r").commit)
    (checkout / "origin.py").write_text("# changed\n")
    assert provenance("m", "r").commit.endswith("-dirty")


def test_untracked_file_does_not_claim_the_commit_of_the_folder(checkout):
    (checkout / "other").write_text("")
    git(checkout, "add", "other")
    git(checkout, "commit", "-m", "someone else's")
    assert provenance("m", "r").commit.startswith("promptseg ")


def test_no_git_gives_the_version(monkeypatch):
    monkeypatch.setattr(origin_module.shutil, "which", lambda _: None)
    assert provenance("m", "r").commit.startswith("promptseg ")
