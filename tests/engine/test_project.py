"""A project: pictures stay where they are, masks and who made them are kept, pictures are locked and given back."""

import contextlib
import json
import shutil
import sqlite3
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes_for_engine import drawn, make_pictures, make_project, square, write_until_killed

from promptseg.engine import Project, ProjectMask, ProjectSettings
from promptseg.engine.agreement import agreement, matched
from promptseg.engine.database import FORMAT, Database
from promptseg.engine.records import ModelVersion
from promptseg.errors import ImageError, InputError, WeightsError


def test_pictures_stay_where_they_are_and_new_ones_can_be_added(tmp_path):
    with make_project(tmp_path, 6) as project:
        names = [picture.name for picture in project.pictures.each()]
        assert sorted(names) == ["00.png", "01.png", "03.png", "04.png", "deep/02.png", "deep/05.png"]
        picture = project.pictures.get("deep/02.png")
        assert Path(picture.path).samefile(tmp_path / "photos/deep/02.png")
        assert picture.bytes == Path(picture.path).stat().st_size
        project.pictures.check_content(picture)
    make_pictures(tmp_path / "photos", 8)
    with Project.create(tmp_path / "project", tmp_path / "photos") as project:
        assert project.pictures.count() == 8
        assert project.pictures.get("deep/02.png").id == picture.id
        (tmp_path / "photos/00.png").write_bytes(b"another")
        with pytest.raises(ImageError, match="another picture"):
            project.pictures.check_content(project.pictures.get("00.png"))
    with pytest.raises(InputError, match="other settings"):
        Project.create(tmp_path / "project", tmp_path / "photos", ProjectSettings(held=0.5))


def test_shares_follow_from_names_alone(tmp_path):
    with make_project(tmp_path, 60, held=0.3, double=0.2) as project:
        held = {picture.name for picture in project.pictures.each(held=True)}
        twice = {picture.name for picture in project.pictures.each() if picture.wanted == 2}
    assert 8 <= len(held) <= 28
    assert 4 <= len(twice) <= 22
    pictures = tmp_path / "photos"
    settings = ProjectSettings(held=0.3, double=0.2)
    with Project.create(tmp_path / "again", pictures, settings) as again:
        assert {picture.name for picture in again.pictures.each(held=True)} == held


def test_a_picture_is_locked_and_the_lock_runs_out(tmp_path):
    with make_project(tmp_path, 2, lease_minutes=10) as project:
        first = project.work.take("ann", now=0.0)
        assert first is not None
        assert (first.stage, first.expires, first.picture_seconds) == (1, 600.0, 30.0)
        assert project.work.take("ann", now=60.0).visit == first.visit  # the one in hand, for longer
        second = project.work.take("bob", now=60.0)
        assert second.picture.id != first.picture.id
        assert project.work.take("cid", now=60.0) is None
        taken = project.work.take("cid", now=700.0)  # ann's and bob's time is over
        assert taken.picture.id == first.picture.id
        with pytest.raises(InputError, match="take the picture again"):
            project.work.finish(first.visit)
        project.work.release(taken.visit)
        assert project.work.take("dan", now=701.0).picture.id == first.picture.id
        with pytest.raises(InputError, match="one line"):
            project.work.take(" \n")


def test_two_people_label_the_double_share_and_agree_or_not(tmp_path):
    with make_project(tmp_path, 1, double=1.0) as project:
        ann, bob = project.work.take("ann"), project.work.take("bob")
        assert ann.picture == bob.picture
        assert project.work.take("cid") is None
        project.work.accept(drawn(1, square(0, 0), "ann"))
        project.work.accept(drawn(1, square(30, 20), "ann"))
        project.work.accept(drawn(1, square(1, 0), "bob"))
        project.work.finish(ann.visit, seconds=20)
        assert project.pictures.get(1).state == "waiting"
        assert project.work.take("ann") is None  # never the same picture twice
        project.work.finish(bob.visit)
        assert project.pictures.get(1).state == "done"
        found = agreement(project)
        assert (found.pictures, found.pairs, found.alone) == (1, 1, 1)
        assert found.iou == pytest.approx(90 / 110)
        assert found.above == 0
        assert [mask.judge for mask in project.work.of(1, "accepted", kept=True)] == ["ann", "ann"]
        assert project.dataset().targets == 2


def test_matching_takes_each_mask_once():
    pairs = matched([square(0, 0), square(2, 0)], [square(1, 0), square(30, 20)])
    assert pairs == [(0, 0, pytest.approx(90 / 110))]
    assert matched([], [square(0, 0)]) == []


def test_proposals_are_accepted_rejected_and_corrected(tmp_path):
    with make_project(tmp_path, 3) as project:
        numbers = project.work.propose(
            2, [ProjectMask(2, square(5 * place, 0, 4), stage=2, version=0, score=0.9) for place in range(4)]
        )
        lease = project.work.take("ann")
        assert (lease.picture.id, lease.stage) == (2, 2)  # pictures with proposals come first
        project.work.judge(numbers[0], "ann", accept=True, seconds=1.5, clicks=1)
        project.work.judge(numbers[1], "ann", accept=False, seconds=1.5, clicks=1)
        fixed = project.work.accept(drawn(2, square(10, 0, 5), stage=2, corrects=numbers[2]))
        assert project.prominence(lease.picture) == [numbers[3]]
        project.work.finish(lease.visit)
        states = {mask.id: (mask.state, mask.judge) for mask in project.work.of(2)}
        assert states == {
            numbers[0]: ("accepted", "ann"),
            numbers[1]: ("rejected", "ann"),
            numbers[2]: ("corrected", "ann"),
            numbers[3]: ("accepted", "ann"),
            fixed: ("accepted", "ann"),
        }
        work = project.status().work[1]
        assert (work.pictures, work.accepted, work.rejected, work.corrected) == (1, 3, 1, 1)
        assert work.seconds == pytest.approx((1.5 + 1.5 + 6) / 3)
        with pytest.raises(InputError, match="nothing to correct"):
            project.work.accept(drawn(1, square(0, 0), corrects=numbers[0]))
        with pytest.raises(InputError, match="another stands in its place"):
            project.work.judge(numbers[2], "ann", accept=True)


def test_masks_that_make_no_sense_are_refused_and_nothing_is_kept(tmp_path):
    with make_project(tmp_path, 2) as project:
        project.work.accept(drawn(1, square(0, 0)))
        with pytest.raises(InputError, match="does not fit 0"):
            project.work.accept(drawn(1, square(0, 0).moved(0, 0, (80, 80))))
        with pytest.raises(InputError, match="no picture 9"):
            project.work.accept(drawn(9, square(0, 0)))
        with pytest.raises(InputError, match="empty mask"):
            project.work.accept(drawn(1, square(0, 0, 0)))
        with pytest.raises(InputError, match="not be negative"):
            project.work.accept(drawn(1, square(0, 0), seconds=-1))
        with pytest.raises(InputError, match="does not fit"):
            project.work.propose(1, [ProjectMask(1, square(9, 9)), ProjectMask(1, square(0, 0).moved(0, 0, (80, 80)))])
        with pytest.raises(InputError, match="no picture 9"):
            project.work.propose(9, [])
        assert len(list(project.work.each())) == 1
        kept = next(project.work.each())
        assert kept.mask == square(0, 0)
        assert (kept.person, kept.seconds, kept.clicks) == ("ann", 6.0, 2)


def test_status_says_when_retraining_is_due(tmp_path):
    with make_project(tmp_path, 3, retrain_after=2) as project:
        project.work.accept(drawn(1, square(0, 0)))
        assert not project.status().due
        project.work.accept(drawn(1, square(20, 0), "bob"))
        status = project.status()
        assert status.due
        assert status.people == {"ann": 1, "bob": 1}
        assert status.pictures == {"waiting": 3}
        assert [version.number for version in status.versions] == [0]


def test_the_data_are_known_by_their_content(tmp_path):
    with make_project(tmp_path, 3) as project:
        empty = project.data_sha256()
        number = project.work.accept(drawn(1, square(0, 0)))
        one = project.data_sha256()
        project.work.judge(number, "bob", accept=False)
        assert project.data_sha256() == empty != one


def test_versions_are_kept_with_their_lineage_and_rolled_back(tmp_path):
    with make_project(tmp_path, 1) as project:
        versions = project.versions
        assert versions.current.number == 0
        assert versions.engine().weights is None
        file = versions.next_file()
        assert file == "models/v001.safetensors"
        (project.folder / "models").mkdir()
        (project.folder / file).write_bytes(b"weights")
        sha256 = "9e4c1b47a6d5e17ca6ec8c4a4a9f5d2a"
        made = ModelVersion(
            0, 0, 1.0, "kept", "sam-finetune", {"steps": 3}, "d" * 64, 1, 2, file, sha256, {"x": 1.0}, 5
        )
        version = versions.add(made, use=True)
        assert version == replace(made, number=1)
        assert versions.current.number == 1
        with pytest.raises(WeightsError, match="SHA-256 differs"):
            versions.engine()
        assert versions.roll_back(0).number == 0
        assert versions.current.number == 0
        with pytest.raises(WeightsError, match="SHA-256 differs"):
            versions.roll_back(1)
        with pytest.raises(InputError, match="no version 7"):
            versions.roll_back(7)
        events = project.database.rows("select what, body from events order by id")
    assert [(what, json.loads(body)["version"]) for what, body in events] == [("version", 1), ("version", 0)]


def test_a_project_that_is_none_or_newer_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no project"):
        Project(tmp_path)
    with pytest.raises(InputError, match="There are no pictures in"):
        Project.create(tmp_path / "project", tmp_path)
    assert not (tmp_path / "project").exists()
    make_project(tmp_path).close()
    path = tmp_path / "project" / "project.sqlite3"
    with sqlite3.connect(path) as db:
        db.execute(f"pragma user_version = {FORMAT + 1}")
    db.close()
    with pytest.raises(InputError, match="newer promptseg"):
        Project(tmp_path / "project")
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(InputError, match="no database of a project"):
        Project(tmp_path / "project")


def test_a_change_that_fails_leaves_nothing(tmp_path):
    database = Database(tmp_path, create=True)
    with pytest.raises(sqlite3.IntegrityError):
        database.insert_many("insert into project values (?, ?)", [("a", "1"), ("a", "2")])
    assert database.rows("select * from project") == []
    database.close()


def test_kills_lose_nothing_that_was_acknowledged(tmp_path):
    """Twenty times a writing process is killed; every number that it told is there afterwards, the file is whole."""
    make_project(tmp_path, 40).close()
    folder, chance = str(tmp_path / "project"), np.random.default_rng(0)
    told: dict[str, set[int]] = {"mask": set(), "done": set()}
    context = get_context("forkserver")  # which imports everything once
    context.set_forkserver_preload(["promptseg.engine"])
    for run in range(20):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=write_until_killed, args=(folder, run, theirs), daemon=True)
        process.start()
        theirs.close()
        assert ours.recv() == ("ready", 0)
        for _ in range(chance.integers(1, 8)):
            kind, number = ours.recv()
            told[kind].add(number)
        time.sleep(chance.uniform(0, 0.01))
        process.kill()
        process.join()
        with contextlib.closing(ours), contextlib.suppress(EOFError):
            while True:
                kind, number = ours.recv()
                told[kind].add(number)
    assert min(len(numbers) for numbers in told.values()) > 10, told
    with Project(folder) as project:
        kept = {mask.id for mask in project.work.each()}
        assert told["mask"] <= kept
        assert project.database.value("pragma integrity_check") == "ok"
        states = dict(project.database.rows("select id, state from visits"))
        assert {states[visit] for visit in told["done"]} == {"done"}
        assert project.work.accept(drawn(1, square(0, 0))) > max(kept)


def test_a_picture_that_moved_is_found_and_another_of_its_name_refused(tmp_path):
    with make_project(tmp_path, 2):
        pass
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    with Project.create(tmp_path / "project", tmp_path / "elsewhere") as project:
        assert project.pictures.count() == 2
        assert Path(project.pictures.get(1).path).parent == tmp_path / "elsewhere"
        project.pictures.check_content(project.pictures.get(1))
    other = make_pictures(tmp_path / "more", 3)
    shutil.copy(other / "00.png", other / "01.png")
    with pytest.raises(InputError, match=r"more/01.png cannot be added: the project has another picture"):
        Project.create(tmp_path / "project", other)
    with Project(tmp_path / "project") as project:
        assert project.pictures.count() == 2


def test_proposals_do_not_come_behind_the_back_of_who_has_a_picture(tmp_path):
    with make_project(tmp_path, 3) as project:
        work = project.work
        lease = work.take("ann", now=1000.0)
        assert not work.untouched(lease.picture.id, now=1001.0)
        assert work.untouched(lease.picture.id, now=1000.0 + 31 * 60), "its lock ran out"
        with pytest.raises(InputError, match="over"):
            work.finish(lease.visit)
        work.finish(work.take("ann").visit)
        work.propose(2, [])
        assert [work.untouched(number) for number in (1, 2, 3)] == [False, False, True]


def test_a_damaged_database_is_one_clear_line(tmp_path):
    with make_project(tmp_path, 200) as project:
        path = project.database.path
        project.database.rows("pragma wal_checkpoint(truncate)")
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"), Project(tmp_path / "project") as project:
        project.status()


def test_the_status_counts_the_newest_automatic_run(tmp_path):
    with make_project(tmp_path, 2) as project:
        for run, masks in (("old", 9), ("new", 4)):
            project.note("automatic", {"run": run})
            row = (run, 0, 1, 2, "f", 1, 2, masks, '{"a": "b"}')
            project.database.insert_many("insert into parts values (?, ?, ?, ?, ?, ?, ?, ?, ?)", [row])
        found = project.status()
    assert (found.automatic, found.automatic_failed) == ({"pictures": 2, "masks": 4, "parts": 1}, 1)


def test_prefill_leaves_what_was_taken_while_it_searched(tmp_path, monkeypatch):
    from promptseg.engine import prefill

    detector = SimpleNamespace(to_json=dict, threshold=0.5, precision=1.0, recall=1.0)
    monkeypatch.setattr(prefill, "segmenter_of", lambda *_: None)
    monkeypatch.setattr(prefill, "learn", lambda *_: detector)
    with make_project(tmp_path, 4) as project:

        def proposals(_, picture, *__):
            if picture.id == 1:
                assert {project.work.take(person).picture.id for person in ("ann", "bob")} == {1, 2}
            return [ProjectMask(picture.id, square(0, 0), stage=2)]

        monkeypatch.setattr(prefill, "proposals", proposals)
        assert prefill.prefill(project).pictures == 2
        assert [len(project.work.of(number, "proposed")) for number in (1, 2, 3, 4)] == [0, 0, 1, 1]
