"""The studio's desk: a project's pictures are laid out, and what is saved goes into the project."""

import json

import pytest
from fakes_for_engine import make_project, square

pytest.importorskip("fastapi")

from promptseg.engine import ProjectMask
from promptseg.server.desk import Desk
from promptseg.server.store import Store


def saved(identity: str, mask, **more) -> dict:
    return {"id": identity, "segmentation": mask.to_coco(), "label": None, "prompts": [], "score": None, **more}


def save(store: Store, image: str, *objects: dict) -> None:
    store.put_objects(image, json.dumps(objects), len(objects), None)


@pytest.fixture
def laid(tmp_path):
    """A project of four pictures, two of them on the desk; the first has two proposals."""
    with make_project(tmp_path, 4, double=0.0) as project:
        project.work.propose(3, [ProjectMask(3, square(0, 0), stage=2), ProjectMask(3, square(20, 0), stage=2)])
        store = Store(tmp_path / "studio")
        desk = Desk(project, store, "ann", pictures=2)
        assert desk.fill() == 2
        yield project, store, desk
        store.close()


def test_work_in_the_studio_becomes_masks_of_the_project(laid):
    project, store, desk = laid
    first, second = store.pictures()
    assert first.name == project.pictures.get(3).name  # proposals come first
    kept, dropped = json.loads(store.objects(first.id).body)
    assert desk.sync() == 0
    save(store, first.id, kept, saved("a1", square(5, 20), label="cat", prompts=[{}, {}]))
    assert desk.sync() == 1
    masks = {mask.object or f"mask-{mask.id}": mask for mask in project.work.of(3)}
    assert (masks["a1"].state, masks["a1"].clicks, masks["a1"].label) == ("accepted", 2, "cat")
    assert masks["a1"].person.startswith("ann")
    assert masks[dropped["id"]].state == "rejected"
    assert masks[kept["id"]].state == "proposed"
    assert desk.sync() == 0  # nothing new
    save(store, first.id, kept, saved("a1", square(6, 20), label="cat"))
    desk.sync()
    states = [mask.state for mask in project.work.of(3) if mask.object == "a1"]
    assert states == ["corrected", "accepted"]
    assert project.pictures.get(3).state == "waiting"
    save(store, second.id, saved("b1", square(1, 1)))
    desk.sync()
    assert project.pictures.get(3).state == "done"  # work went on to another picture
    assert project.work.of(3, "accepted")[0].mask == square(0, 0)  # the proposal that was left as it is
    assert desk.fill() == 1


def test_the_end_finishes_what_was_worked_on_and_gives_the_rest_back(laid):
    project, store, desk = laid
    first, second = store.pictures()
    save(store, second.id, saved("b1", square(1, 1)))
    desk.close()
    assert project.pictures.get(second.name).state == "done"
    assert project.pictures.get(first.name).state == "waiting"
    assert project.work.take("bob").picture.name == first.name


def test_suggestions_stay_in_the_studio_and_any_id_is_taken(laid):
    project, store, desk = laid
    _, second = store.pictures()
    save(store, second.id, saved("mask-mine", square(5, 20)), saved("s", square(20, 20), suggested=True))
    assert desk.sync() == 1
    number = project.pictures.get(second.name).id
    assert [(mask.object, mask.state) for mask in project.work.of(number)] == [("mask-mine", "accepted")]
