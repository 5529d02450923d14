"""Average recall, against pycocotools."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fakes_for_evaluate import Answering, dataset_of, disc, picture, readings
from promptseg.errors import FormatError, InputError
from promptseg.evaluate.recall import SIZES, RecallCounts, count_recall
from promptseg.evaluate.run import run
from promptseg.evaluate.summary import summarise
from promptseg.evaluate.tasks.everything import EverythingTask
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

SIZE = (240, 320)


def scene(random):
    """Discs of all sizes, and proposals near them: shifted, grown, doubled, or somewhere else."""
    truth, proposals = [], []
    for _ in range(random.integers(1, 9)):
        x, y, radius = random.uniform(20, 300), random.uniform(20, 220), random.choice([6, 12, 25, 60])
        truth.append(disc(*SIZE, x, y, radius))
        for _ in range(random.integers(0, 4)):
            dx, dy = random.normal(0, radius / 8, 2)
            proposals.append(disc(*SIZE, x + dx, y + dy, radius * random.uniform(0.85, 1.1)))
    proposals += [disc(*SIZE, *random.uniform(0, 240, 2), 15) for _ in range(5)]
    random.shuffle(proposals)
    return [RLE.encode(mask) for mask in truth if mask.any()], [RLE.encode(mask) for mask in proposals if mask.any()]


def official(scenes, limits):
    """AR by size and limit from pycocotools; sizes are its own area ranges."""
    annotations, results = [], []
    for image, (truth, proposals) in enumerate(scenes, start=1):
        for mask in truth:
            record = {"id": len(annotations) + 1, "image_id": image, "category_id": 1, "iscrowd": 0}
            annotations.append({**record, "segmentation": mask.to_coco(), "area": mask.area, "bbox": [0, 0, 1, 1]})
        for rank, mask in enumerate(proposals):
            record = {"image_id": image, "category_id": 1, "segmentation": mask.to_coco()}
            results.append({**record, "score": 1 - rank / 1000})
    images = [{"id": image, "height": SIZE[0], "width": SIZE[1]} for image in range(1, len(scenes) + 1)]
    coco = COCO()
    coco.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "segm")
        evaluation.params.useCats = 0
        evaluation.params.maxDets = list(limits)
        evaluation.evaluate()
        evaluation.accumulate()
    recall = evaluation.eval["recall"][:, 0]  # (T, A, L); -1 where nothing is wanted
    assert evaluation.params.areaRngLbl == list(SIZES)
    return np.where(recall < 0, np.nan, recall).mean(axis=0)


@pytest.mark.parametrize("seed", range(6))
def test_it_is_pycocotools_recall(seed):
    random = np.random.default_rng(seed)
    scenes = [scene(random) for _ in range(4)]
    limits = (1, 5, 100)
    total = None
    for truth, proposals in scenes:
        counts = count_recall(truth, [mask.area for mask in truth], proposals, limits=limits)
        total = counts if total is None else total + counts
    ours = np.array([list(row.values()) for row in total.average_recall().values()])
    expected = official(scenes, limits)
    assert ours.shape == expected.shape == (4, 3)
    assert np.allclose(ours, expected, equal_nan=True, atol=1e-12)
    assert 0 < ours[0, 2] < 1


def test_two_objects_do_not_share_a_proposal():
    mask = RLE.encode(disc(*SIZE, 100, 100, 40))
    both = count_recall([mask, mask], [mask.area] * 2, [mask])
    assert both.average_recall()["all"] == {100: 0.5, 1000: 0.5}
    assert count_recall([mask, mask], [mask.area] * 2, [mask, mask]).average_recall()["all"][100] == 1
    nothing = count_recall([mask], [mask.area], [])
    assert nothing.average_recall()["medium"] == {100: 0, 1000: 0} == nothing.average_recall()["all"]
    assert np.isnan(nothing.average_recall()["large"][100])


def test_the_annotated_area_decides_the_size():
    mask = RLE.encode(disc(*SIZE, 100, 100, 40))
    assert count_recall([mask] * 3, [32**2, 96**2, 5], [mask]).wanted.tolist() == [3, 2, 2, 1]


def test_refusals_of_recall():
    mask = RLE.encode(disc(*SIZE, 100, 100, 40))
    with pytest.raises(InputError, match="need as many areas"):
        count_recall([mask], [], [])
    with pytest.raises(InputError, match="must be positive"):
        count_recall([mask], [5], [], limits=(0,))
    with pytest.raises(InputError, match="different pictures"):
        count_recall([mask], [5], [RLE.empty((4, 5))])
    with pytest.raises(InputError, match="cannot be added"):
        _ = count_recall([mask], [5], [], limits=(1,)) + count_recall([mask], [5], [], limits=(2,))


@pytest.fixture
def dataset(tmp_path):
    masks = {name: [disc(*SIZE, 100, 100, 40), disc(*SIZE, 250, 60, 10)] for name in "abcd"}
    return dataset_of(tmp_path, masks)


def test_masks_count_in_the_order_given(dataset):
    good, bad = RLE.encode(disc(*SIZE, 100, 100, 40)), RLE.encode(disc(*SIZE, 10, 10, 5))

    def finder(name, *masks):
        return Answering(name, everything=lambda image: Segments(image.size, masks))

    contestants = [finder("careful", good, bad), finder("careless", bad, good), finder("idle")]
    seen = []
    found = run(EverythingTask(limits=(1, 10)), dataset, contestants, progress=lambda *pair: seen.append(pair))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    summary = summarise(found)
    careful, careless, idle = (readings(summary, number) for number in range(3))
    assert (careful["AR@1"], careful["AR@10"]) == (0.5, 0.5)
    assert (careless["AR@1"], careless["AR@10"]) == (0, 0.5)
    assert (idle["AR@1"], idle["AR@10"]) == (0, 0)
    assert careful["AR@1 medium"] == careful["AR@10 medium"] == 1
    assert np.isnan(careful["AR@1 large"])
    assert [each["masks per picture"] for each in (careful, careless, idle)] == [2, 2, 0]
    assert careful["best mask mIoU"] == pytest.approx(0.5)
    assert idle["best mask mIoU"] == 0
    assert contestants[0].calls == ["start", "everything"] * 4
    assert set(found.answers[0][0].seconds) == {"picture"}


def test_whole_pictures_are_chosen(dataset):
    assert [sample.name for sample in dataset.pictures(2).samples] == ["a", "c"]
    assert dataset.pictures(2).targets == 4
    assert dataset.pictures(None) is dataset
    with pytest.raises(InputError, match="at least 1"):
        dataset.pictures(0)


def test_refusals_of_the_comparison(dataset, tmp_path):
    with pytest.raises(InputError, match="at least one contestant"):
        run(EverythingTask(), dataset, [])
    picture(tmp_path / "a.png", 20, 30)
    idle = Answering(everything=lambda image: Segments.empty(image.size))
    with pytest.raises(FormatError, match=r"is 30 x 20 pixels, but the mask of 'object 0' is 320 x 240"):
        run(EverythingTask(), dataset, [idle])
    picture(tmp_path / "a.png", *SIZE)
    wrong = Answering("odd", everything=Segments.empty((7, 9)))
    with pytest.raises(InputError, match=r"odd answered with 0 masks of size \(7, 9\); expected masks of size"):
        run(EverythingTask(), dataset, [wrong])


def test_counts_are_values():
    counts = RecallCounts((5,), np.zeros((4, 1, 10), np.int64), np.ones(4, np.int64))
    assert (counts + counts).wanted.tolist() == [2] * 4
