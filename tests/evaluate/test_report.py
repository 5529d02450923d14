"""Tables, JSON, CSV, pages and where the numbers come from."""

import csv
import io
import json
import re
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fakes_for_evaluate import BALL, ORIGIN, SMALL, picture, readings
from promptseg.datasets.samples import Dataset, Sample
from promptseg.errors import InputError, OutputError
from promptseg.evaluate import origin as origin_module
from promptseg.evaluate.origin import provenance
from promptseg.evaluate.report.cases import cases, draw
from promptseg.evaluate.report.files import write_report
from promptseg.evaluate.report.page import to_html
from promptseg.evaluate.report.plots import line_plot
from promptseg.evaluate.report.written import to_csv, to_json, to_table
from promptseg.evaluate.rows import Row, UnitAnswer
from promptseg.evaluate.run import EvaluationRun
from promptseg.evaluate.summary import summarise
from promptseg.evaluate.tasks.clicks import ClicksTask
from promptseg.evaluate.tasks.task import Curve
from promptseg.images import Image
from promptseg.masks.rle import RLE

FIRST = np.array([[0.5, 0.86, 0.91], [0.92, 0.4, 0.88], [0.1, 0.2, 0.3], [0.85, 0.85, 0.85]])
PICTURES = ("p", "p", "q", "r")


def answers(ious, seconds):
    rows = [
        Row(
            picture=picture_,
            item=item,
            score=float(values[-1]),
            values={"ious": values.tolist(), "boundary": [values[0] / 2, None], "area": 100},
            metadata={"size": "small" if item in "ab" else "large", "light": "day" if picture_ != "r" else "night"},
            shown={
                "masks": [RLE.encode(BALL).to_coco()],
                "truths": [RLE.encode(BALL | SMALL).to_coco()],
                "clicks": [[25, 20, True], [2, 3, False]],
                "boxes": [[5, 5, 30, 30]],
                "words": "a <ball>",
            },
        )
        for picture_, item, values in zip(PICTURES, "abcd", ious, strict=True)
    ]
    return tuple(
        UnitAnswer(
            unit=name,
            rows=tuple(row for row in rows if row.picture == name),
            seconds={"picture": [seconds], "click": [seconds / 5]},
            peak_memory=3_000_000 if name == "q" else None,
        )
        for name in "pqr"
    )


def summary(clicks=3, by=(), folder=None):
    first = FIRST[:, :clicks]
    samples = tuple(
        Sample(picture(folder / f"{name}.png") if folder else Path(f"{name}.png"), name, ()) for name in "pqr"
    )
    run = EvaluationRun(
        task=ClicksTask(clicks=clicks),
        dataset=Dataset("tiny", "masks", samples),
        names=("old", "new <b>"),
        settings=("onnx float32", ""),
        answers=(answers(first, 0.25), answers(np.minimum(first + 0.05, 1), 0.2)),
        seed=0,
    )
    return summarise(run, by=by)


def test_summary_by_hand():
    old, new = summary().results
    assert readings(summary()) == pytest.approx(
        {
            "IoU@1": 0.5925,
            "IoU@2": 0.5775,
            "IoU@3": 0.735,
            "BIoU@1": 0.29625,
            "NoC@50": (1 + 1 + 3 + 1) / 4,
            "NoC@80": (2 + 1 + 3 + 1) / 4,
            "NoC@85": (2 + 1 + 3 + 1) / 4,
            "NoC@90": (3 + 1 + 3 + 3) / 4,
            "never 85": 0.25,
            "never 90": 0.5,
            "worst drop": 0.13,
            "drop > 0.1": 0.25,
            "IoU@1 worst tenth": 0.1,
            "NoC@90 worst tenth": 3,
            "drop p95": np.percentile([0, 0.52, 0, 0], 95),
            "drop max": 0.52,
            "failures@85": 1,
            "failures@90": 2,
            "s per picture": 0.25,
            "s per click": 0.05,
            "peak memory": 3,
        }
    )
    assert all(reading.difference is None for reading in old.readings)
    difference = new.reading("IoU@1").difference
    assert difference.mean == pytest.approx(0.05)
    assert difference.low == pytest.approx(0.05)  # the same on every target: no doubt about it
    assert difference.high == pytest.approx(0.05)
    assert new.reading("s per click").difference.mean == pytest.approx(-0.01)
    with pytest.raises(InputError, match="no measure 'IoU@9'"):
        old.reading("IoU@9")
    curve = old.curves[0]
    assert curve.y == pytest.approx(FIRST.mean(axis=0))


def test_slices_are_summaries_of_a_part():
    found = summary(by=["light", "size"])
    parts = {(part.column, part.value): part for part in found.slices}
    assert set(parts) == {("light", "day"), ("size", "large")}, "one picture is too few for a row"
    day = parts["light", "day"]
    assert (day.rows, day.pictures) == (3, 2)
    assert day.results[0].reading("IoU@1").value.mean == pytest.approx(FIRST[:3, 0].mean())
    assert day.results[1].reading("IoU@1").difference.mean == pytest.approx(0.05)
    assert not np.isnan(day.results[0].reading("IoU@1").value.low)
    with pytest.raises(InputError, match="No row has 'colour' to split the results by; known are: light, size"):
        summary(by=["colour"])


@pytest.mark.parametrize("markdown", [True, False])
def test_table_is_aligned_and_complete(markdown):
    table = to_table(summary(by=["light"]), ORIGIN, markdown=markdown)
    rows = table.split("\n\n")[0].splitlines()
    if markdown:
        assert len({len(row) for row in rows}) == 1
        assert len({tuple(match.start() for match in re.finditer(r"\|", row)) for row in rows}) == 1
        assert re.fullmatch(r"\| -+ (\| -+: ){3}\|", rows[1])
    assert re.search(r"IoU@1 .*59\.2 \[.*64\.2 \[.*\+5\.0 \[\+5\.0, \+5\.0\]", table)
    assert re.search(r"NoC@90 .*2\.50 \[", table)
    assert re.search(r"failures@90 .*2\.0 ", table)
    assert re.search(r"drop max .*52\.0", table)
    assert re.search(r"peak memory \(MB\) .* 3 ", table)
    assert re.search(r"day +\W+ *old", table)
    for fact in ("tiny", "4 rows on 3 pictures", "clicks 3", "old: onnx float32.", "abc1234", "Test CPU", "2025-01-31"):
        assert fact in table


def test_one_click_is_enough_for_a_report():
    table = to_table(summary(1), ORIGIN)
    assert "IoU@1" in table
    assert "IoU@2" not in table
    json.dumps(to_json(summary(1), ORIGIN), allow_nan=False)


def test_json_holds_everything_but_masks():
    content = json.loads(json.dumps(to_json(summary(by=["light"]), ORIGIN), allow_nan=False))
    assert (content["dataset"], content["rows"], content["pictures"]) == ("tiny", 4, 3)
    assert content["commit"] == "abc1234"
    old, new = content["contestants"]
    assert [row["values"]["ious"] for row in old["rows"]] == FIRST.tolist()
    assert old["measures"]["IoU@1"]["difference"] is None
    assert new["measures"]["IoU@1"]["difference"]["value"] == pytest.approx(0.05)
    assert old["measures"]["NoC@90"]["unit"] == "clicks"
    assert "shown" not in old["rows"][0]
    assert content["slices"][0]["value"] == "day"


def test_csv_is_one_line_per_measure():
    rows = list(csv.DictReader(io.StringIO(to_csv(summary(by=["light"]), ORIGIN))))
    assert {row["contestant"] for row in rows} == {"old", "new <b>"}
    found = next(row for row in rows if (row["contestant"], row["measure"], row["part"]) == ("new <b>", "IoU@1", "all"))
    assert float(found["value"]) == pytest.approx(0.6425)
    assert float(found["difference_value"]) == pytest.approx(0.05)
    assert found["processor"] == "Test CPU"
    assert next(row for row in rows if row["part"] == "day")["rows"] == "3"
    assert all(None not in row and None not in row.values() for row in rows)


class Checker(HTMLParser):
    """Counts tags, and fails on what is not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.counts, self.addresses = [], Counter(), []

    def handle_starttag(self, tag, attributes):
        self.counts[tag] += 1
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "path", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()


def test_page_is_whole_and_stands_alone(tmp_path):
    text = to_html(summary(by=["light"], folder=tmp_path), ORIGIN)
    page = Checker()
    page.feed(text)
    assert page.open == []
    assert page.counts["script"] == page.counts["link"] == 0
    assert page.counts["svg"] == 2
    assert page.counts["img"] == 2 * 3 * 3
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert "new &lt;b&gt;" in text
    assert "new <b>" not in text
    assert "By light" in text
    assert 'class="better"' in text


def test_cases_are_best_median_and_worst(tmp_path):
    found = summary(folder=tmp_path)
    shown = cases(found.results[0].rows, found.run.dataset, each=1)
    assert [(case.kind, case.title) for case in shown] == [
        ("best", "p · a · 0.910"),
        ("median", "r · d · 0.850"),
        ("worst", "q · c · 0.300"),
    ]
    assert cases(found.results[0].rows, Dataset("gone", "masks", ())) == []
    pixels = np.asarray(draw(Image(np.full((40, 60, 3), 90, np.uint8)), found.results[0].rows[0].shown))
    assert pixels.shape == (58, 60, 3), "words stand above"
    assert tuple(pixels[18 + 20, 14]) != (90, 90, 90), "the mask is tinted"
    assert (pixels[18 + 5, 6:29] == (250, 204, 21)).all(axis=1).any(), "the box is drawn"


def test_plots_hold_any_numbers():
    for values in ((0.2, 0.9), (5.0, 5.0), (float("nan"), 1.0), (1e-9, 3e9)):
        curve = Curve(plot="p", across="x & y", up="u", x=(1.0, 2.0), y=values)
        text = line_plot("a < b", [("one", curve)])
        assert "nan" not in text
        assert "a &lt; b" in text
        assert text.count("<polyline") == 1


def test_files_of_a_report(tmp_path):
    files = write_report(tmp_path / "new", summary(folder=tmp_path), ORIGIN)
    assert [file.name for file in files] == ["clicks.json", "clicks.csv", "clicks.md", "clicks.html"]
    starts = (b"{", b"task,dataset,model", b"| tiny", b"<!doctype html>")
    assert all(file.read_bytes().startswith(start) for file, start in zip(files, starts, strict=True))
    assert sorted((tmp_path / "new").iterdir()) == sorted(files)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_report(tmp_path / "file", summary(), ORIGIN)


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
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
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
