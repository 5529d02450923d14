"""The paper's statistics on masks whose shapes are known, fairness tables on rows that are known, and the page."""

import json

import numpy as np
import pytest
from fakes_for_engine import drawn, make_project, square

from promptseg.engine.fairness import table_of
from promptseg.engine.report import EngineReport
from promptseg.engine.statistics import SIDE, centre, concavity, count_names, statistics
from promptseg.errors import InputError
from promptseg.evaluate.rows import Row
from promptseg.geometry import Size
from promptseg.masks.rle import RLE


def test_concavity_is_that_of_the_convex_hull():
    assert concavity(square(3, 4, 7)) == pytest.approx(0)
    corner = np.zeros((20, 20), np.bool_)
    corner[2:12, 2:12] = True
    corner[7:12, 7:12] = False  # an L: three of four squares, its hull lacks half of the fourth
    assert concavity(RLE.encode(corner)) == pytest.approx(1 - 75 / 87.5)
    holed = np.zeros((20, 20), np.bool_)
    holed[5:15, 5:15] = True
    holed[7:13, 7:13] = False
    assert concavity(RLE.encode(holed)) == pytest.approx(0.36)
    apart = np.zeros((10, 30), np.bool_)
    apart[0:10, 0:5] = apart[0:10, 25:30] = True
    assert concavity(RLE.encode(apart)) == pytest.approx(1 - 100 / 300)
    assert centre(RLE.encode(apart)) == pytest.approx((15, 5))
    with pytest.raises(InputError, match="no shape"):
        concavity(square(0, 0, 0))


@pytest.mark.parametrize("seed", range(5))
def test_concavity_agrees_with_a_hull_of_all_corners(seed):
    spatial = pytest.importorskip("scipy.spatial")
    mask = np.random.default_rng(seed).random((12, 17)) < 0.2
    ys, xs = np.nonzero(mask)
    corners = np.concatenate([np.stack([xs + dx, ys + dy], 1) for dx in (0, 1) for dy in (0, 1)])
    assert concavity(RLE.encode(mask)) == pytest.approx(1 - mask.sum() / spatial.ConvexHull(corners).volume)


def test_masks_are_counted_into_bins():
    size = Size(40, 60)
    found = statistics([(size, [square(0, 0, 12)] * 11), (size, []), (size, [square(40, 20, 12)])], "squares")
    known = found.to_json()
    assert (found.pictures, found.masks, known["masks_per_picture"]) == (3, 12, 4)
    assert known["pictures_by_masks"] == {"0": 1, "1-10": 1, "11-50": 1, "51-100": 0, "101-200": 0, "201+": 0}
    assert known["relative_size_mean"] == pytest.approx((144 / 2400) ** 0.5)
    assert np.argmax(found.sizes) == int((144 / 2400) ** 0.5 * 20)
    assert known["small_medium_large"] == [1, 0, 0]
    assert found.centres[int(6 / 40 * SIDE), int(6 / 60 * SIDE)] == 11
    assert found.centres.sum() == 12
    assert count_names()[-1] == "201+"


def row(picture: str, tone: str, first: float, third: float) -> Row:
    return Row(
        picture=picture, item=picture, score=third, values={"ious": [first, 0.0, third]}, metadata={"tone": tone}
    )


def test_groups_have_intervals_and_the_gap_is_named():
    rows = [row(f"a{n}", "light", 0.8 + 0.01 * (n % 3), 0.9) for n in range(30)]
    rows += [row(f"b{n}", "dark", 0.5 + 0.01 * (n % 3), 0.9) for n in range(30)]
    rows += [row("c", "other", 0.1, 0.1)]
    table = table_of(rows, "tone")
    assert [(each.value, each.pictures, each.masks) for each in table.groups] == [
        ("dark", 30, 30),
        ("light", 30, 30),
        ("other", 1, 1),
    ]
    dark = table.groups[0].readings["IoU@1"]
    assert dark.mean == pytest.approx(0.51)
    assert dark.low < 0.51 < dark.high
    first, third = table.gaps
    assert (first.measure, first.best, first.worst, first.sure) == ("IoU@1", "light", "dark", True)
    assert first.difference.mean == pytest.approx(0.3)
    assert first.difference.low > 0.29
    assert not third.sure
    with pytest.raises(InputError, match="known are: tone"):
        table_of(rows, "age")


def test_a_page_holds_everything_and_loads_nothing(tmp_path):
    with make_project(tmp_path, 3, double=0.0) as project:
        for number in (1, 2):
            project.work.accept(drawn(number, square(5, 5), "<ann>"))
        rows = [row(f"{tone}{n}", tone, 0.5, 0.9) for tone in ("<a>", "b") for n in range(3)]
        other = statistics([(Size(40, 60), [square(0, 0)])], "other & set")
        page = EngineReport.of_project(project, [other], [table_of(rows, "tone")])
        files = page.write(tmp_path / "report.html")
    text = files[0].read_text()
    assert "other &amp; set" in text
    assert "&lt;a&gt;" in text
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("<svg") == 5  # three plots, and a heat map of each set
    numbers = json.loads(files[1].read_text())
    assert [each["name"] for each in numbers["sets"]] == ["stage 1, accepted", "other & set"]
    assert numbers["quality"]["iou"] is None
    assert numbers["status"]["work"][0]["accepted"] == 2
