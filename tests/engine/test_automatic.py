"""Stage 3: parts of a listing that nobody holds; killed and resumed; bad pictures cost themselves; a sample."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fakes_for_engine import StandInLabeler, drawn, list_pictures, make_pictures, square

from promptseg.batch.labeler import LabelerSettings
from promptseg.engine import Project, ProjectSettings
from promptseg.engine.automatic import automatic_entries, label_automatically
from promptseg.engine.quality import quality, sample_for_review
from promptseg.errors import InputError

SCRIPT = Path(__file__).with_name("automatic_run.py")


def label(project: Project, **more):
    return label_automatically(project, LabelerSettings(), **{"part": 4, "make": StandInLabeler, **more})


def test_every_picture_has_a_record_and_nothing_is_done_twice(tmp_path):
    with list_pictures(tmp_path, 10) as project:
        done = label(project)
        assert (done.parts, done.labelled, done.pictures, done.masks, done.failed) == (3, 3, 10, 10, 0)
        assert project.stage == 3
        records = [entry.read() for entry in automatic_entries(project)]
        assert [record.image_id for record in records] == list(range(1, 11))
        assert records[0].segments.masks == (square(0, 0, 5),)
        assert label(project).labelled == 0
        shard = sorted((project.folder / "automatic" / done.run).glob("*.tar"))[1]
        shard.write_bytes(b"cut")
        assert label(project).labelled == 1
        assert label(project, part=5).run != done.run  # other settings are another run


def test_pictures_that_are_added_are_labelled(tmp_path):
    photos = make_pictures(tmp_path / "photos", 6)
    with Project.create(tmp_path / "project", photos, ProjectSettings(held=0)) as project:
        assert label(project).labelled == 2
    make_pictures(tmp_path / "photos", 9)
    with Project.create(tmp_path / "project", photos) as project:
        assert (done := label(project)).labelled == 2  # the part that was not full, and a new one
        assert done.pictures == 9


def test_a_killed_run_goes_on_and_memory_does_not_grow_with_the_listing(tmp_path):
    """60,000 names: the run is killed twice, goes on with the parts that are missing, and stays small."""
    list_pictures(tmp_path, 60_000).close()
    command = [sys.executable, str(SCRIPT), str(tmp_path / "project"), "3000"]
    kept = 0
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        with Project(tmp_path / "project") as project:
            while process.poll() is None and _parts(project) <= kept + 1:
                time.sleep(0.02)
            process.kill()
            process.communicate()
            assert _parts(project) > kept
            kept = _parts(project)
    assert kept < 20
    pictures, labelled, megabytes = map(int, subprocess.check_output(command, text=True).split())
    assert (pictures, labelled) == (60_000, 20 - kept)
    assert megabytes < 15  # a list of all pictures would take 40


def _parts(project: Project) -> int:
    return project.database.value("select count(*) from parts")


def test_a_picture_that_kills_its_worker_costs_itself_alone(tmp_path):
    with list_pictures(tmp_path, 8) as project:
        project.database.insert_many("update pictures set name = ? where id = ?", [("deadly.jpg", 3), ("odd.jpg", 6)])
        done = label(project, workers=2)
        assert (done.parts, done.pictures, done.failed) == (2, 6, 2)
        failed = dict(project.database.rows("select number, failed from parts"))
    assert "died of it" in failed[0]
    assert "ZeroDivisionError" in failed[1]


def test_people_mend_a_sample_and_its_quality_is_told(tmp_path):
    with list_pictures(tmp_path, 5) as project:
        with pytest.raises(InputError, match="no automatic masks yet"):
            sample_for_review(project, 2)
        label(project)
        assert np.isnan(quality(project).iou)
        assert sample_for_review(project, 3) == 3
        assert sample_for_review(project, 3) == 0  # the same ones
        leases = []
        for person in ("ann", "bob", "cid"):
            lease = project.work.take(person)
            assert lease.stage == 3
            (mask,) = project.work.of(lease.picture.id, "proposed")
            if person == "bob":
                project.work.accept(drawn(lease.picture.id, square(0, 0, 6), "bob", stage=3, corrects=mask.id))
            if person == "cid":
                project.work.judge(mask.id, "cid", accept=False)
            leases.append(lease)
        for lease in leases:
            project.work.finish(lease.visit)
        found = quality(project)
    assert (found.pictures, found.masks, found.accepted, found.corrected, found.rejected) == (3, 3, 1, 1, 1)
    assert found.iou == pytest.approx((1 + 25 / 36) / 2)
    assert (found.above_90, found.above_75) == (0.5, 0.5)


def test_numbers_out_of_range_are_refused(tmp_path):
    with list_pictures(tmp_path, 2) as project:
        with pytest.raises(InputError, match="at least 1 worker"):
            label(project, workers=0)
        with pytest.raises(InputError, match="at least 1 picture"):
            sample_for_review(project, 0)
