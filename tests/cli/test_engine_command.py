"""`promptseg engine`: a project from the command line; bad input is one clear line and exit code 2."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "engine"))
from fakes_for_engine import drawn, make_pictures, square

from promptseg.engine import Project


@pytest.fixture
def photos(tmp_path):
    return make_pictures(tmp_path / "photos", 4)


def test_a_project_from_the_command_line(run, photos, tmp_path):
    code, out, _ = run("engine", "init", photos, "-o", "project", "--held", "0", "--double", "0")
    assert (code, out) == (0, "project: 4 pictures, 0 of them held out\n")
    with Project("project") as project:
        project.work.accept(drawn(1, square(0, 0)))
        project.work.accept(drawn(2, square(0, 0)))
    code, out, _ = run("engine", "status", "project")
    assert code == 0
    assert "2 masks accepted on 2 pictures (1.0 each), 6.0 s and 2.00 clicks per mask" in out
    assert json.loads(run("engine", "status", "project", "--json")[1])["new_masks"] == 2
    assert run("engine", "export", "project", "-f", "coco", "-o", "out")[:2] == (0, "out: 2 pictures\n")
    code, out, _ = run("engine", "report", "project", "-o", "report.html", "--with", "squares=out")
    assert code == 2  # a COCO file without its pictures is no data set
    code, out, _ = run("engine", "report", "project", "-o", "report.html")
    assert (code, out) == (0, "report.html\nreport.json\n")
    assert run("engine", "train", "project", "--roll-back", "0")[:2] == (0, "version 0 is in use\n")


def test_sa1b_from_the_command_line(run, photos):
    run("engine", "init", photos, "-o", "project", "--held", "0")
    with Project("project") as project:
        for number in (1, 2, 3):
            project.work.accept(drawn(number, square(0, 0)))
    run("engine", "export", "project", "-o", "set", "--pictures")
    assert run("engine", "sa1b", "validate", "set")[:2] == (
        0,
        "3 pictures, 3 masks, 0 faulty records, 0 without a picture\n",
    )
    assert run("engine", "sa1b", "merge", "set", "set", "--renumber", "-o", "twice", "--as", "tar")[1] == (
        "twice: 6 pictures\n"
    )
    assert run("engine", "sa1b", "merge", "twice", "--deduplicate", "-o", "once")[1] == "once: 3 pictures\n"
    assert run("engine", "sa1b", "sample", "twice", "--count", "2", "-o", "some")[1] == "some: 2 pictures\n"
    code, out, _ = run("engine", "sa1b", "split", "twice", "--shares", "a=0.5,b=0.5", "-o", "parts")
    assert code == 0
    assert sum(int(line.split()[1]) for line in out.splitlines()) == 6
    (numbers,) = json.loads(run("engine", "sa1b", "statistics", "mine=set")[1])
    assert (numbers["name"], numbers["masks"]) == ("mine", 3)
    Path("set/sa_1.json").write_text("{}")
    code, _, err = run("engine", "sa1b", "validate", "set")
    assert code == 1
    assert "sa_1.json" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("init", "nowhere", "-o", "p"), "There is no file or folder nowhere"),
        (("init", "photos", "-o", "p", "--held", "2"), "held must be from 0 to 0.9"),
        (("init", "photos", "-o", "p", "--model", "seem-focal-t"), "one of SAM's family"),
        (("init", "s3://bucket/photos", "-o", "p"), "not at s3://bucket/photos"),
        (("status", "photos"), "is no project"),
        (("train", "known"), "no accepted mask to learn from"),
        (("train", "known", "--roll-back", "3"), "no version 3"),
        (("train", "known", "--set", "steps"), "expects NAME=VALUE"),
        (("auto", "known", "--engine", "spark"), "Unknown engine 'spark'"),
        (("auto", "known", "--mode", "quick"), "Unknown mode 'quick'"),
        (("auto", "known", "--workers", "0"), "not in the range"),
        (("auto", "known", "--part", "0"), "not in the range"),
        (("prefill", "known", "--right", "2"), "not in the range"),
        (("prefill", "known", "--limit", "0"), "not in the range"),
        (("export", "known", "-f", "png", "-o", "x"), "Unknown format 'png'"),
        (("export", "known", "-o", "x"), "no accepted mask to export"),
        (("report", "known", "-o", "x.html", "--by", "age"), "--metadata"),
        (("sa1b", "validate", "photos"), "no SA-1B record"),
        (("sa1b", "sample", "photos", "-o", "x"), "Give either"),
        (("sa1b", "split", "photos", "--shares", "a", "-o", "x"), "expects"),
        (("sa1b", "statistics", "nowhere"), "no file or folder"),
    ],
)
def test_bad_input_is_one_clear_line(run, photos, arguments, said):
    Project.create("known", photos).close()
    code, out, err = run("engine", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.strip().count("\n") == 0
