"""The frame: order of turns, resuming, workers, seeds."""

import json
from dataclasses import dataclass

import pytest

from fakes_for_evaluate import BALL, SMALL, Answering, GrowingDisc, dataset_of, picture, save
from promptseg.datasets.open import DatasetSource
from promptseg.errors import FormatError, InputError
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.rows import Row, UnitAnswer
from promptseg.evaluate.run import run, run_in_workers
from promptseg.evaluate.summary import summarise
from promptseg.evaluate.tasks.clicks import ClicksTask
from promptseg.evaluate.tasks.point import PointTask


@dataclass(frozen=True)
class Discs:
    """A lineup that can be sent to a process."""

    radius: float = 4.0
    fails: bool = False

    def __call__(self) -> list[Contestant]:
        if self.fails:
            raise InputError("these discs cannot be made")
        return [GrowingDisc("small", self.radius), GrowingDisc("large", 3 * self.radius)]


@pytest.fixture
def folder(tmp_path):
    for name, mask in {"a": BALL, "b": SMALL, "c": BALL | SMALL}.items():
        picture(tmp_path / "set" / "images" / f"{name}.png")
        save(tmp_path / "set" / "masks" / f"{name}.png", (mask * 255).astype("uint8"))
    return tmp_path / "set"


def without_times(found):
    return [[[row.to_json() for row in answer.rows] for answer in answers] for answers in found.answers]


def test_workers_give_the_same_answers(folder, tmp_path):
    source = DatasetSource(path=str(folder))
    alone = run(ClicksTask(clicks=4), source(), Discs()())
    seen = []
    shared = run_in_workers(
        ClicksTask(clicks=4), source, Discs(), 2, store=tmp_path / "store", progress=lambda *pair: seen.append(pair)
    )
    assert shared.names == alone.names == ("small", "large")
    assert without_times(shared) == without_times(alone)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert len(list((tmp_path / "store").rglob("*.json"))) == 6
    values = [each.value for each in summarise(shared).results[1].readings[:8]]
    assert values == [each.value for each in summarise(alone).results[1].readings[:8]]


def test_an_error_in_a_worker_arrives(folder):
    with pytest.raises(InputError, match="these discs cannot be made"):
        run_in_workers(ClicksTask(), DatasetSource(path=str(folder)), Discs(fails=True), 2)
    with pytest.raises(InputError, match="cannot take part"):
        run_in_workers(PointTask(), DatasetSource(path=str(folder)), Discs(), 1)
    with pytest.raises(InputError, match="At least one worker"):
        run_in_workers(ClicksTask(), DatasetSource(path=str(folder)), Discs(), 0)


def test_a_stopped_run_goes_on(folder, tmp_path):
    """What is stored is not asked again, unless anything that decides about it has changed."""
    store, dataset = tmp_path / "store", DatasetSource(path=str(folder))()

    def clicked(task, data=dataset, seed=0, name="discs", settings=""):
        contestant = GrowingDisc(name, 5)
        contestant.settings = settings
        found = run(task, data, [contestant], store=store, seed=seed)
        return contestant.calls.count("begin"), without_times(found)

    first = clicked(ClicksTask(clicks=3))
    assert first[0] == 3
    assert clicked(ClicksTask(clicks=3)) == (0, first[1])
    assert clicked(ClicksTask(clicks=2))[0] == 3
    assert clicked(ClicksTask(clicks=2), settings="other")[0] == 3
    assert clicked(ClicksTask(clicks=2), settings="other", seed=1)[0] == 3
    assert clicked(ClicksTask(clicks=2), settings="other", name="new")[0] == 3
    renamed = dataset.with_metadata({"a": {"light": "day"}})
    assert clicked(ClicksTask(clicks=2), renamed, name="new")[0] == 3, "settings were stored, too"
    assert clicked(ClicksTask(clicks=2), renamed, name="new")[0] == 0
    assert clicked(ClicksTask(clicks=2), dataset, name="new")[0] == 1


def test_an_answer_that_does_not_fit_leaves_no_trace(folder, tmp_path):
    wrong = Answering("odd", click=lambda image, *_: BALL[:10])
    with pytest.raises(InputError, match="odd answered a click"):
        run(ClicksTask(), DatasetSource(path=str(folder))(), [wrong], store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_names_that_files_cannot_have(tmp_path):
    dataset = dataset_of(tmp_path, {"a": [BALL]})
    contestant = GrowingDisc("a/../b: c", 5)
    run(ClicksTask(clicks=1), dataset, [contestant], store=tmp_path / "store")
    (file,) = (tmp_path / "store").rglob("*.json")
    assert file == tmp_path / "store" / "a_.._b__c" / "a.json"
    assert json.loads(file.read_text())["facts"]["contestant"] == ["a/../b: c", ""]


def test_rows_and_answers_come_back():
    row = Row(picture="p", item="i", score=None, values={"x": [1, None]}, metadata={"a": "b"}, shown={})
    answer = UnitAnswer(unit="p", rows=(row,), seconds={"click": [0.5]}, peak_memory=7)
    again = UnitAnswer.from_json(json.loads(json.dumps(answer.to_json())))
    assert again.to_json() == answer.to_json()
    for wrong in ({}, {"unit": "p", "rows": [{}], "seconds": {}, "peak_memory": None}, {"unit": "p", "rows": 3}):
        with pytest.raises(FormatError, match=r"no (row|answer) of an evaluation"):
            UnitAnswer.from_json(wrong)


def test_pictures_are_let_go(folder, monkeypatch):
    """A run over many pictures must not keep them all."""
    scenes = ClicksTask().scenes(DatasetSource(path=str(folder))(), 0)
    monkeypatch.setattr(ClicksTask, "scenes", lambda *_: scenes)
    run(ClicksTask(clicks=1), DatasetSource(path=str(folder))(), [GrowingDisc("d", 4)])
    assert all(scene._images == {} and scene._masks == {} for scene in scenes)
