"""What adding a layout takes: one file with its `LAYOUTS`, and its import in `promptseg.datasets.open`."""

import json
from pathlib import Path

import numpy as np
import pytest

from fakes_for_evaluate import BALL, Answering, names, picture, readings, segments
from promptseg.datasets import open as opening
from promptseg.datasets.layouts.layout import Content, Layout, Reader
from promptseg.datasets.open import KNOWN, DatasetSource, open_dataset
from promptseg.datasets.samples import Sample, Target
from promptseg.errors import FormatError
from promptseg.evaluate import make_task, run, summarise
from promptseg.masks.rle import RLE

# --- what the one new file holds --------------------------------------------------------------------------------------


def find_toys(root: Path, split: str | None = None) -> Reader | None:
    """Recognises `toys.json`: for each picture the runs of one mask."""
    del split
    file = root / "toys.json"
    return (lambda: _read_toys(file)) if file.is_file() else None


def _read_toys(file: Path) -> Content:
    samples = []
    for name, record in sorted(json.loads(file.read_text()).items()):
        mask = RLE.from_coco(record)
        samples.append(Sample(file.parent / name, Path(name).stem, (Target("toy", mask.area, mask),)))
    return Content(tuple(samples))


LAYOUTS = (Layout("toys", "objects", "toys.json (for each picture the runs of one mask)", find_toys),)

# ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def toys(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "KNOWN", (*KNOWN, *LAYOUTS))
    for name in "ab":
        picture(tmp_path / f"{name}.jpg")
    record = RLE.encode(BALL).to_coco()
    (tmp_path / "toys.json").write_text(json.dumps({"b.jpg": record, "a.jpg": record}))
    return tmp_path


def test_a_new_layout_is_recognised(toys):
    dataset = open_dataset(toys)
    assert dataset.layout == "toys"
    assert names(dataset) == [("a", "toy"), ("b", "toy")]
    assert names(DatasetSource(path=str(toys), layout="toys", limit=1)()) == [("a", "toy")]


def test_a_new_layout_is_evaluated(toys):
    knowing = Answering(click=BALL, boxes=lambda image, boxes: segments(*([BALL] * len(boxes))))
    found = summarise(run(make_task("clicks", clicks=2), open_dataset(toys), [knowing]))
    assert readings(found)["IoU@1"] == 1
    source = DatasetSource(path=str(toys), keep_empty=True, count="pictures")
    assert readings(summarise(run(make_task("boxes"), source(), [knowing])))["AP"] == 1


def test_a_new_layout_is_named_where_none_is_found(toys):
    (toys / "toys.json").unlink()
    with pytest.raises(FormatError, match=r"toys\.json \(for each picture"):
        open_dataset(toys)


def test_every_file_of_layouts_is_joined():
    folder = Path(opening.__file__).parent / "layouts"
    telling = [file.stem for file in folder.glob("*.py") if "\nLAYOUTS = (" in file.read_text()]
    joined = {layout.find.__module__.rpartition(".")[2] for layout in KNOWN}
    assert set(telling) == joined
    assert len({(layout.name, layout.truth) for layout in KNOWN}) == len(KNOWN)
    assert [layout.name for layout in KNOWN if layout.truth == "objects"] == [
        *("lvis", "coco", "davis", "voc", "sbd", "ade20k", "masks", "labels", "yolo"),
        *("instances", "sa1b", "labelme", "named", "folder"),
    ], "the order in which they are looked for"


def test_boxes(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    picture(tmp_path / "images" / "b.jpg")
    file = tmp_path / "boxes.json"
    boxes = {"b.jpg": [{"label": "apple", "box": [10.4, 5.6, 70, 20]}], "a.jpg": []}
    file.write_text(json.dumps(boxes))
    dataset = DatasetSource(path=str(tmp_path), truth="boxes")()
    assert (dataset.layout, dataset.class_names) == ("boxes", ("apple",))
    assert names(dataset) == [("b", "apple")]
    (target,) = dataset.samples[1].targets
    assert target.box == (10.4, 5.6, 70.0, 20.0)
    mask = np.zeros((40, 60), bool)
    mask[6:20, 10:] = True
    assert np.array_equal(target.mask(), mask)
    for wrong in ('{"b.jpg": [{"label": "apple"}]}', '{"b.jpg": 3}', "[1]", '{"b.jpg": [{"label": "a", "box": [1]}]}'):
        file.write_text(wrong)
        with pytest.raises(FormatError, match=r"boxes\.json holds no boxes"):
            DatasetSource(path=str(tmp_path), truth="boxes")()
