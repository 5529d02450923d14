"""Tiny synthetic copies of the layouts of public datasets."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image as PIL
from scipy.io import savemat

from fakes_for_evaluate import BALL, SMALL, names, picture, save
from promptseg.datasets.open import DatasetSource
from promptseg.datasets.samples import UNKNOWN
from promptseg.errors import FormatError, InputError
from promptseg.formats.labelme import write_labelme
from promptseg.formats.sa1b import write_sa1b
from promptseg.formats.yolo import write_yolo
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.prompts.types import Point

VOID = np.zeros((40, 60), bool)
VOID[0] = True


def opened(folder, truth="objects", **options):
    return DatasetSource(path=str(folder), truth=truth, **options)()


def indexed(path, values):
    """Writes a palette PNG, as VOC and DAVIS have them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _palette(values).save(path)


def _palette(values):
    image = PIL.new("P", values.shape[::-1])
    image.putpalette([value for number in range(256) for value in (number, 255 - number, 7)])
    image.putdata(values.astype(np.uint8).ravel().tolist())
    return image


@pytest.fixture
def voc(tmp_path):
    base = tmp_path / "VOCdevkit" / "VOC2012"
    objects = np.where(VOID, 255, np.where(BALL, 1, np.where(SMALL, 2, 0)))
    classes = np.where(VOID, 255, np.where(BALL, 12, np.where(SMALL, 8, 0)))
    for name in ("2007_000033", "2008_000001"):
        picture(base / "JPEGImages" / f"{name}.jpg")
        indexed(base / "SegmentationObject" / f"{name}.png", objects)
        indexed(base / "SegmentationClass" / f"{name}.png", classes)
    lists = base / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_000033\n")
    (lists / "train.txt").write_text("2008_000001\n")
    return tmp_path


@pytest.mark.parametrize("place", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_voc_objects(voc, place):
    dataset = opened(voc / place)
    assert (dataset.layout, names(dataset)) == ("voc", [("2007_000033", "dog 1"), ("2007_000033", "cat 2")])
    first = dataset.samples[0].targets[0]
    assert np.array_equal(first.mask(), BALL)
    assert np.array_equal(first.ignored(), VOID)
    assert first.label == "dog"
    assert names(opened(voc, split="train"))[0][0] == "2008_000001"
    with pytest.raises(FormatError, match="no split 'test': known are train, val"):
        opened(voc, split="test")


def test_voc_classes(voc):
    dataset = opened(voc, "semantic")
    assert len(dataset.categories) == 21
    values = dataset.samples[0].semantic()
    assert (values[VOID] == UNKNOWN).all()
    assert {dataset.class_names[n] for n in np.unique(values[~VOID])} == {"background", "dog", "cat"}


def test_sbd(tmp_path):
    base = tmp_path / "benchmark_RELEASE" / "dataset"
    picture(base / "img" / "2008_000002.jpg")
    (base / "inst").mkdir()
    truth = {"Segmentation": np.where(BALL, 1, np.where(SMALL, 2, 0)).astype(np.uint8), "Categories": [[12], [8]]}
    savemat(base / "inst" / "2008_000002.mat", {"GTinst": truth})
    (base / "val.txt").write_text("2008_000002\n")
    dataset = opened(tmp_path)
    assert (dataset.layout, names(dataset)) == ("sbd", [("2008_000002", "dog 1"), ("2008_000002", "cat 2")])
    assert np.array_equal(dataset.samples[0].targets[0].mask(), BALL)
    (base / "inst" / "2008_000002.mat").write_bytes(b"none")
    with pytest.raises(FormatError, match="not an SBD instance file"):
        opened(tmp_path)


def test_ade20k(tmp_path):
    base = tmp_path / "ADEChallengeData2016"
    picture(base / "images" / "validation" / "ADE_val_00000001.jpg")
    save(
        base / "annotations" / "validation" / "ADE_val_00000001.png",
        np.where(BALL, 2, np.where(SMALL, 1, 0)).astype(np.uint8),
    )
    lines = [
        "Idx\tRatio\tTrain\tVal\tStuff\tName",
        "1\t0.1\t11\t2\t1\twall",
        "2\t0.1\t9\t1\t0\tscreen, CRT",
        "3\t0.1\t9\t1\t0\tscreen",
    ]
    (base / "objectInfo150.txt").write_text("\n".join(lines))
    dataset = opened(tmp_path, "semantic")
    assert dataset.class_names == ("wall", "screen", "screen 3")
    assert [category.thing for category in dataset.categories] == [False, True, True]
    values = dataset.samples[0].semantic()
    assert (values[BALL] == 1).all()
    assert (values[~BALL & ~SMALL] == UNKNOWN).all()
    colours = np.zeros((40, 60, 3), np.uint8)
    colours[BALL], colours[SMALL] = (2, 1, 0), (2, 2, 0)
    save(base / "annotations_instance" / "validation" / "ADE_val_00000001.png", colours)
    assert [target.area for target in opened(tmp_path).samples[0].targets] == [(BALL & ~SMALL).sum(), SMALL.sum()]


@pytest.fixture
def davis(tmp_path):
    base = tmp_path / "DAVIS"
    for video in ("bear", "cows"):
        for frame in range(3):
            picture(base / "JPEGImages" / "480p" / video / f"{frame:05d}.jpg")
            objects = np.where(BALL, 1, np.where(SMALL & (frame < 2), 2, 0))
            indexed(base / "Annotations" / "480p" / video / f"{frame:05d}.png", objects)
    return tmp_path


def test_davis_2017(davis):
    lists = davis / "DAVIS" / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("cows\n")
    frames = opened(davis, "frames", count="videos")
    assert [sample.sequence for sample in frames.samples] == ["cows"] * 3
    assert [len(sample.targets) for sample in frames.samples] == [2, 2, 1]
    assert frames.samples[0].targets[0].name == "object 1"
    assert names(opened(davis))[0] == ("cows/00000", "object 1")
    with pytest.raises(FormatError, match="no list of the split 'test'"):
        opened(davis, "frames", split="test")


def test_davis_2016(davis):
    lists = davis / "DAVIS" / "ImageSets" / "480p"
    lists.mkdir(parents=True)
    lines = [f"/JPEGImages/480p/bear/{n:05d}.jpg /Annotations/480p/bear/{n:05d}.png" for n in range(3)]
    (lists / "val.txt").write_text("\n".join(lines))
    for frame in range(3):
        save(davis / "DAVIS" / "Annotations" / "480p" / "bear" / f"{frame:05d}.png", (BALL * 255).astype(np.uint8))
    frames = opened(davis, "frames")
    assert [(sample.name, len(sample.targets)) for sample in frames.samples] == [(f"bear/{n:05d}", 1) for n in range(3)]
    assert np.array_equal(frames.samples[0].targets[0].mask(), BALL)


def test_frames_in_one_folder(tmp_path):
    for name in ("a_dog_00000", "a_dog_00020", "car_00000"):
        picture(tmp_path / "images" / f"{name}.jpg")
        save(tmp_path / "masks" / f"{name}.png", (BALL * 255).astype(np.uint8))
    dataset = opened(tmp_path, "frames", count="videos", limit=1)
    assert [sample.sequence for sample in dataset.samples] == ["a_dog", "a_dog"]
    with pytest.raises(InputError, match="limit of videos"):
        opened(tmp_path, "frames", count="videos", limit=0)


def test_several_masks_of_one_picture_as_in_berkeley(tmp_path):
    picture(tmp_path / "images" / "100080.jpg")
    picture(tmp_path / "images" / "b_7.jpg")
    for name, mask in {"100080#1": BALL, "100080#2": SMALL, "b_7": BALL}.items():
        save(tmp_path / "masks" / f"{name}.png", (mask * 255).astype(np.uint8))
    dataset = opened(tmp_path)
    assert names(dataset) == [("100080", "object 1"), ("100080", "object 2"), ("b_7", "object 1")]
    assert np.array_equal(dataset.samples[0].targets[1].mask(), SMALL)


def refcoco(base, ending):
    (base / "refcoco").mkdir(parents=True)
    instances = {
        "images": [{"id": 9, "file_name": "COCO_train2014_000000000009.jpg", "width": 60, "height": 40}],
        "annotations": [
            {
                "id": n,
                "image_id": 9,
                "category_id": 1,
                "area": int(mask.sum()),
                "segmentation": RLE.encode(mask).to_coco(),
            }
            for n, mask in ((51, BALL), (52, SMALL))
        ],
        "categories": [{"id": 1, "name": "dog"}],
    }
    (base / "refcoco" / "instances.json").write_text(json.dumps(instances))
    refs = [
        {
            "ref_id": number,
            "ann_id": ann,
            "image_id": 9,
            "category_id": 1,
            "split": split,
            "file_name": "COCO_train2014_000000000009_51.jpg",
            "sentences": [{"sent": sent, "raw": sent, "tokens": sent.split()} for sent in sentences],
        }
        for number, ann, split, sentences in (
            (2, 52, "val", ["the small dog"]),
            (1, 51, "val", ["big dog", "dog in front"]),
            (3, 51, "testA", ["left"]),
        )
    ]
    file = base / "refcoco" / f"refs(unc){ending}"
    file.write_bytes(json.dumps(refs).encode() if ending == ".json" else pickle.dumps(refs, 0))
    picture(base / "images" / "train2014" / "COCO_train2014_000000000009.jpg")
    return file


@pytest.mark.parametrize("ending", [".p", ".json"])
def test_refcoco(tmp_path, ending):
    refcoco(tmp_path, ending)
    for folder in (tmp_path, tmp_path / "refcoco"):
        dataset = opened(folder, "phrases")
        assert dataset.layout == "refcoco"
        (sample,) = dataset.samples
        assert sample.picture.is_file()
        assert [target.phrases for target in sample.targets] == [("big dog", "dog in front"), ("the small dog",)]
        assert np.array_equal(sample.targets[1].mask(), SMALL)
    assert opened(tmp_path, "phrases", split="testA").samples[0].targets[0].phrases == ("left",)
    with pytest.raises(FormatError, match="no split 'train': known are testA, val"):
        opened(tmp_path, "phrases", split="train")


def test_refcoco_pickles_run_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return eval, ("1/0",)

    file = refcoco(tmp_path, ".p")
    file.write_bytes(pickle.dumps([Evil()]))
    with pytest.raises(FormatError, match="more than plain lists and dicts"):
        opened(tmp_path, "phrases")
    file.write_bytes(pickle.dumps([{"split": "val"}]))
    with pytest.raises(FormatError, match="not RefCOCO files"):
        opened(tmp_path, "phrases")


def test_sa1b(tmp_path):
    picture(tmp_path / "sa_17.jpg")
    masks = Segments(
        (40, 60),
        (RLE.encode(BALL), RLE.encode(SMALL)),
        stability_scores=np.ones(2, np.float32),
        prompts=((Point(25, 20),), (Point(45, 10),)),
        crop_boxes=np.array([[0, 0, 60, 40]] * 2, np.float32),
    )
    write_sa1b(tmp_path / "sa_17.json", masks, "sa_17.jpg")
    dataset = opened(tmp_path)
    assert (dataset.layout, names(dataset)) == ("sa1b", [("sa_17", "mask 1"), ("sa_17", "mask 2")])
    assert dataset.samples[0].picture == tmp_path / "sa_17.jpg"


def test_labelme(tmp_path):
    picture(tmp_path / "cat.jpg")
    write_labelme(tmp_path / "cat.json", Segments((40, 60), (RLE.encode(BALL),), labels=("cat",)), "gone/cat.jpg")
    dataset = opened(tmp_path)
    assert (dataset.layout, names(dataset)) == ("labelme", [("cat", "cat 1")])
    assert np.array_equal(dataset.samples[0].targets[0].mask(), BALL)
    (tmp_path / "cat.jpg").unlink()
    with pytest.raises(FormatError, match="no picture of the same name"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "split"),
    [("images", "labels", None), ("images/val", "labels/val", None), ("test/images", "test/labels", "test")],
)
@pytest.mark.parametrize(
    "listing", ["names: ['cat', dog]\n", "names:\n  0: cat\n  1: dog  # two\nnc: 2\n", "nc: 2\nnames:\n- cat\n- dog\n"]
)
def test_yolo(tmp_path, images, labels, split, listing):
    picture(tmp_path / images / "a.jpg")
    masks = Segments((40, 60), (RLE.encode(BALL), RLE.encode(SMALL)), labels=("dog", "cat"))
    write_yolo(tmp_path / labels / "a.txt", masks, ["cat", "dog"])
    (tmp_path / "data.yaml").write_text("path: .\n" + listing)
    dataset = opened(tmp_path, split=split)
    assert (dataset.layout, names(dataset)) == ("yolo", [("a", "dog 1"), ("a", "cat 2")])
    assert dataset.class_names == ("cat", "dog")
    assert np.array_equal(dataset.samples[0].targets[0].mask(), BALL)


def test_lvis(tmp_path):
    picture(tmp_path / "val2017" / "000000000139.jpg")
    content = {
        "images": [
            {
                "id": 139,
                "coco_url": "http://images.cocodataset.org/val2017/000000000139.jpg",
                "width": 60,
                "height": 40,
                "neg_category_ids": [3],
                "not_exhaustive_category_ids": [1],
            }
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 139,
                "category_id": 1,
                "area": 400.0,
                "segmentation": [[10, 5, 30, 5, 30, 25, 10, 25]],
            }
        ],
        "categories": [
            {"id": n, "name": name, "frequency": often}
            for n, name, often in ((1, "cat", "f"), (2, "dog", "r"), (3, "fox", "c"))
        ],
    }
    (tmp_path / "lvis_v1_val.json").write_text(json.dumps(content))
    dataset = opened(tmp_path)
    (sample,) = dataset.samples
    assert dataset.layout == "lvis"
    assert sample.picture.is_file()
    assert (sample.absent, sample.partial) == (("fox",), ("cat",))
    assert dataset.frequencies == {"cat": "f", "dog": "r", "fox": "c"}


@pytest.mark.parametrize("official", [True, False])
def test_coco_panoptic(tmp_path, official):
    numbers = np.zeros((40, 60), np.int64)
    numbers[BALL], numbers[SMALL] = 3226956, 77
    colours = np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], axis=-1).astype(np.uint8)
    file = tmp_path / ("annotations/panoptic_val2017.json" if official else "panoptic.json")
    picture(tmp_path / ("val2017" if official else "images") / "000000000139.jpg")
    save(file.with_suffix("") / "000000000139.png", colours)
    infos = [{"id": 3226956, "category_id": 1, "iscrowd": 0}, {"id": 77, "category_id": 187, "iscrowd": 1}]
    content = {
        "annotations": [{"file_name": "000000000139.png", "image_id": 139, "segments_info": infos}],
        "categories": [{"id": 1, "name": "person", "isthing": 1}, {"id": 187, "name": "sky", "isthing": 0}],
    }
    file.write_text(json.dumps(content))
    dataset = opened(tmp_path, "panoptic")
    truth = dataset.samples[0].panoptic()
    assert np.array_equal(truth.numbers == 1, BALL & ~SMALL)
    assert (truth.classes, truth.crowds) == ((0, 1), (False, True))
    semantic = opened(tmp_path, "semantic").samples[0].semantic()
    assert np.array_equal(semantic, np.where(SMALL, 1, np.where(BALL, 0, UNKNOWN)))
    content["annotations"][0]["segments_info"] = infos[:1]
    file.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="segments that its JSON file does not list"):
        opened(tmp_path, "panoptic").samples[0].panoptic()
    file.write_text("{}")
    with pytest.raises(FormatError, match="not a COCO panoptic file"):
        opened(tmp_path, "panoptic")


def test_pictures_with_one_name_each(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels.json").write_text('{"a.jpg": "accordion"}')
    dataset = opened(tmp_path)
    assert (dataset.layout, names(dataset)) == ("named", [("a", "accordion")])
    assert dataset.samples[0].targets[0].rle().area == 2400


def test_facts_come_from_a_table(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / "a.png", (BALL * 255).astype(np.uint8))
    table = tmp_path / "facts.csv"
    table.write_text("picture,object,light,hand\na,,night,\na,object,,left\n")
    (sample,) = opened(tmp_path, metadata=str(table)).samples
    assert sample.metadata == {"light": "night"}
    assert sample.targets[0].metadata == {"hand": "left"}
    for text in ("", "name,x\na,1\n"):
        table.write_text(text)
        with pytest.raises(FormatError, match='column "picture"'):
            opened(tmp_path, metadata=str(table))
    with pytest.raises(FormatError, match="cannot be read as a CSV file"):
        opened(tmp_path, metadata=str(tmp_path / "none.csv"))


def test_a_layout_that_is_asked_for(voc):
    with pytest.raises(InputError, match="no layout 'vox' with objects: expected ade20k, coco, davis"):
        opened(voc, layout="vox")
    with pytest.raises(FormatError, match="is not a dataset with masks"):
        opened(voc, layout="coco")
    with pytest.raises(FormatError, match="is not a dataset with phrases"):
        opened(voc, "phrases")
    assert opened(voc, keep_empty=True, min_area=1).targets == 2


def test_empty_pictures_stay_where_they_count(tmp_path):
    from fakes_for_evaluate import write_coco

    write_coco(tmp_path)
    assert [len(sample.targets) for sample in opened(tmp_path).samples] == [1, 2]
    kept = opened(tmp_path, keep_empty=True, min_area=410, count="pictures")
    assert [len(sample.targets) for sample in kept.samples] == [0, 1, 0]
    assert [len(sample.crowds) for sample in kept.samples] == [0, 1, 0]
