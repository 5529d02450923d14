"""Tiny copies of each layout, and what is said about folders that are none."""

import numpy as np
import pytest

from fakes_for_evaluate import BALL, SMALL, names, picture, save, write_coco
from promptseg.datasets.open import KNOWN, open_dataset
from promptseg.errors import FormatError, InputError


def grey(mask: np.ndarray, value: int = 255) -> np.ndarray:
    return (mask * value).astype(np.uint8)


@pytest.mark.parametrize(
    ("pictures", "labels", "stem", "layout"),
    [
        ("images", "masks", "bear_00000", "masks"),
        ("data_GT", "boundary_GT", "banana1", "masks"),
        ("img", "gt", "bear_00000", "masks"),
        ("JPEGImages/480p", "Annotations/480p", "bear/00000", "davis"),
    ],
)
def test_foreground_masks(tmp_path, pictures, labels, stem, layout):
    picture(tmp_path / pictures / f"{stem}.jpg")
    picture(tmp_path / pictures / "unlabelled.jpg")
    save(tmp_path / labels / f"{stem}.png", grey(BALL))
    dataset = open_dataset(tmp_path)
    assert dataset.layout == layout
    assert names(dataset) == [(stem, "object")]
    assert np.array_equal(dataset.samples[0].targets[0].mask(), BALL)


@pytest.mark.parametrize(
    "values",
    [
        BALL,
        grey(BALL, 1),
        grey(BALL, 38),
        np.repeat(grey(BALL)[..., None], 3, axis=2),
        np.where(BALL, 250, 4).astype(np.uint8),
        np.where(BALL, 255, 60).astype(np.uint8) - 4 * SMALL.astype(np.uint8) * ~BALL,
    ],
    ids=["bool", "one", "thirty-eight", "rgb", "off-black", "grey"],
)
def test_foreground_mask_values(tmp_path, values):
    picture(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / "a.png", values)
    assert np.array_equal(open_dataset(tmp_path).samples[0].targets[0].mask(), BALL)


def test_middle_grey_is_ignored_as_in_grabcut(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / "a.png", np.where(BALL, 255, np.where(SMALL, 128, 0)).astype(np.uint8))
    target = open_dataset(tmp_path).samples[0].targets[0]
    assert np.array_equal(target.mask(), BALL)
    assert np.array_equal(target.ignored(), SMALL & ~BALL)


def test_full_mask_is_one_object(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / "a.png", np.ones((40, 60), bool))
    assert open_dataset(tmp_path).samples[0].targets[0].area == 2400


def test_index_mask_among_foreground_masks_is_refused(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / "a.png", np.arange(2400, dtype=np.uint8).reshape(40, 60) % 7)
    with pytest.raises(FormatError, match=r"values 0, 1, 2, 3, 4, 5, \.\.\.\. Index masks belong in labels/"):
        open_dataset(tmp_path)


def test_colour_and_damaged_labels_are_refused(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    picture(tmp_path / "masks" / "a.png")
    with pytest.raises(FormatError, match="colour picture"):
        open_dataset(tmp_path)
    (tmp_path / "masks" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(FormatError, match="cannot be read"):
        open_dataset(tmp_path)


def test_label_without_picture_is_refused(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    save(tmp_path / "masks" / "b.png", grey(BALL))
    with pytest.raises(FormatError, match=r"b\.png has no picture"):
        open_dataset(tmp_path)


def write_semantic(root, classes='["background", "dog", "cat"]'):
    labels = np.zeros((40, 60), np.uint8)
    labels[2:38, 2:27] = 1
    labels[2:38, 28:58] = 1  # a second dog
    labels[10:12, 10:12] = 2  # too small
    labels[0] = 255
    picture(root / "images" / "a.jpg")
    save(root / "labels" / "a.png", labels)
    if classes:
        (root / "classes.json").write_text(classes)
    return root


def test_semantic_regions(tmp_path):
    dataset = open_dataset(write_semantic(tmp_path))
    assert dataset.layout == "labels"
    assert names(dataset) == [("a", "dog 1"), ("a", "dog 2")]
    first, second = dataset.samples[0].targets
    assert (first.area, second.area) == (36 * 25 - 4, 36 * 30)
    assert first.mask().sum() == first.area
    assert first.ignored().sum() == 60
    assert not first.ignored()[1:].any()


def test_semantic_min_area_and_unnamed_classes(tmp_path):
    dataset = open_dataset(write_semantic(tmp_path, '["background", "dog"]'), min_area=1)
    assert names(dataset)[-1] == ("a", "class 2 1")
    assert names(open_dataset(write_semantic(tmp_path / "bare", None)))[0] == ("a", "class 1 1")


@pytest.mark.parametrize("classes", ["{}", "[1]", "nonsense"])
def test_malformed_class_names(tmp_path, classes):
    with pytest.raises(FormatError, match=r"classes\.json"):
        open_dataset(write_semantic(tmp_path, classes))


def test_instance_maps_are_sixteen_bit(tmp_path):
    numbers = np.zeros((40, 60), np.uint16)
    numbers[BALL], numbers[SMALL] = 300, 7
    picture(tmp_path / "images" / "a.jpg")
    save(tmp_path / "instances" / "a.png", numbers)
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "instances"
    assert names(dataset) == [("a", "instance 7"), ("a", "instance 300")]
    assert np.array_equal(dataset.samples[0].targets[1].mask(), numbers == 300)


def test_plain_folder(tmp_path):
    for stem in ("cat", "dog", "lonely"):
        picture(tmp_path / f"{stem}.jpg")
    picture(tmp_path / "fox.png")
    save(tmp_path / "cat.png", grey(BALL))
    save(tmp_path / "dog_mask.png", grey(SMALL))
    save(tmp_path / "fox-mask.png", grey(BALL))
    (tmp_path / "notes.txt").write_text("nothing")
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "folder"
    assert [sample.picture.name for sample in dataset.samples] == ["cat.jpg", "dog.jpg", "fox.png"]
    assert np.array_equal(dataset.samples[1].targets[0].mask(), SMALL)


def test_unknown_folder_says_what_was_found_and_what_is_read(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(FormatError) as caught:
        open_dataset(tmp_path)
    assert "found images/, notes.json" in str(caught.value)
    forms = [layout.form for layout in KNOWN if layout.truth == "objects"]
    assert len(forms) > 10
    assert all(form in str(caught.value) for form in forms)


def test_empty_and_missing_folders(tmp_path):
    with pytest.raises(FormatError, match="an empty folder"):
        open_dataset(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is a file"):
        open_dataset(picture(tmp_path / "a.png"))


def test_limit_strides_evenly_and_always_alike(tmp_path):
    numbers = np.repeat(np.arange(60, dtype=np.uint16)[None], 40, 0)  # 59 objects of one column each
    picture(tmp_path / "images" / "a.jpg")
    save(tmp_path / "instances" / "a.png", numbers)
    assert names(open_dataset(tmp_path, limit=4)) == [("a", f"instance {n}") for n in (1, 15, 30, 45)]
    assert open_dataset(tmp_path, limit=59).targets == open_dataset(tmp_path, limit=1000).targets == 59
    for limit in range(1, 60):
        assert open_dataset(tmp_path).subset(limit).targets == limit


def test_numbers_out_of_range(tmp_path):
    write_coco(tmp_path)
    with pytest.raises(InputError, match="at least 1, got 0"):
        open_dataset(tmp_path, limit=0)
    with pytest.raises(InputError, match="must not be negative"):
        open_dataset(tmp_path, min_area=-1)
    with pytest.raises(FormatError, match=r"3 labelled pictures and 3 objects, but none of at least 5000"):
        open_dataset(tmp_path, min_area=5000)


def test_min_area_drops_pictures_without_targets(tmp_path):
    dataset = open_dataset(write_coco(tmp_path), min_area=410)
    assert names(dataset) == [("b", "dog 11")]
