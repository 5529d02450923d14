"""What a project gives out can be read again, by ourselves and others; and nothing half-written is ever there."""

import json

import numpy as np
import pytest
from fakes_for_engine import StandInLabeler, drawn, make_project, square

from promptseg.batch.labeler import LabelerSettings
from promptseg.datasets.open import open_dataset
from promptseg.engine.automatic import label_automatically
from promptseg.engine.export import export_project
from promptseg.engine.shards.entries import entries
from promptseg.errors import ImageError, InputError, OutputError


@pytest.fixture
def project(tmp_path):
    """Two labelled pictures of four; one mask was rejected."""
    with make_project(tmp_path, 4, double=0.0) as made:
        made.work.accept(drawn(1, square(5, 5), label="cat", points=((8.0, 9.0),)))
        made.work.accept(drawn(1, square(30, 20, 15), label="dog"))
        made.work.accept(drawn(3, square(1, 2)))
        made.work.judge(made.work.accept(drawn(4, square(1, 2))), "bob", accept=False)
        yield made


def masks_in(folder):
    dataset = open_dataset(folder, min_area=1)
    return sorted((target.rle().box, target.area) for sample in dataset.samples for target in sample.targets)


KNOWN = sorted((mask.box, mask.area) for mask in (square(5, 5), square(30, 20, 15), square(1, 2)))


@pytest.mark.parametrize("form", ["coco", "sa1b", "yolo"])
def test_every_format_is_read_again(project, tmp_path, form):
    assert export_project(project, form, tmp_path / "out", pictures=True) == 2
    assert masks_in(tmp_path / "out") == KNOWN
    assert len(open_dataset(tmp_path / "out", min_area=1).samples) == 2
    with pytest.raises(OutputError, match="not empty"):
        export_project(project, form, tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_labels_and_points_go_along(project, tmp_path):
    export_project(project, "coco", tmp_path / "coco")
    record = json.loads((tmp_path / "coco/instances.json").read_text())
    assert {each["name"] for each in record["categories"]} >= {"cat", "dog"}
    export_project(project, "sa1b", tmp_path / "tars", shards=True)
    first = next(entries(tmp_path / "tars")).read()
    assert first.image_id == 1
    (point,) = first.segments.prompts[0]
    assert (point.x, point.y) == (8, 9)


def test_parquet_says_who_made_what(project, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert export_project(project, "parquet", tmp_path / "out") == 2
    rows = parquet.read_table(tmp_path / "out/masks.parquet").to_pylist()
    assert [(row["person"], row["label"], row["stage"], row["clicks"]) for row in rows] == [
        ("ann", "cat", 1, 2),
        ("ann", "dog", 1, 2),
        ("ann", None, 1, 2),
    ]
    assert rows[0]["picture_sha256"] == project.pictures.get(1).sha256


def test_automatic_masks_are_exported_too(project, tmp_path):
    with pytest.raises(InputError, match="no automatic mask to export"):
        export_project(project, "sa1b", tmp_path / "none", automatic=True)
    assert not (tmp_path / "none").exists()
    label_automatically(project, LabelerSettings(), make=StandInLabeler)
    assert export_project(project, "sa1b", tmp_path / "out", automatic=True, pictures=True) == 4
    found = [entry.read() for entry in entries(tmp_path / "out")]
    assert all(np.array_equal(each.segments.masks[0].dense(), square(0, 0, 5).dense()) for each in found)
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".json"] * 4 + [".png"] * 4


def test_a_picture_that_is_another_one_now_stops_the_export(project, tmp_path):
    (tmp_path / "photos" / project.pictures.get(3).name).write_bytes(b"another")
    with pytest.raises(ImageError, match="another picture"):
        export_project(project, "coco", tmp_path / "out", pictures=True)
    assert not (tmp_path / "out").exists()


def test_what_does_not_go_together_is_refused(project, tmp_path):
    for more, said in (
        ({"form": "png"}, "Unknown format"),
        ({"form": "coco", "automatic": True}, "sa1b or parquet"),
        ({"form": "coco", "shards": True}, "Shards are of SA-1B"),
        ({"form": "parquet", "pictures": True}, "holds no pictures"),
    ):
        with pytest.raises(InputError, match=said):
            export_project(project, output=tmp_path / "out", **more)
