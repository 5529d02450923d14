"""Average recall, against pycocotools."""

import contextlib
import io
import json

import numpy as np
import pytest
from fakes_for_evaluate import dataset_of, disc
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from promptseg.errors import FormatError, InputError
from promptseg.evaluate.everything import first_pictures, recall_table, recall_to_json, run_everything
from promptseg.evaluate.origin import Provenance
from promptseg.evaluate.recall import SIZES, RecallCounts, count_recall
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments

ORIGIN = Provenance(model="none", runtime="none", commit="abc", processor="abacus", date="2025-01-31")
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
    return [RLE.encode(mask) for mask in truth if mask.any()], [
        RLE.encode(mask) for mask in proposals if mask.any()
    ]


def official(scenes, limits):
    """AR by size and limit from pycocotools; sizes are its own area ranges."""
    annotations, results = [], []
    for image, (truth, proposals) in enumerate(scenes, start=1):
        for mask in truth:
            record = {"id": len(annotations) + 1, "image_id": image, "category_id": 1, "iscrowd": 0}
            annotations.append(
                {**record, "segmentation": mask.to_coco(), "area": mask.area, "bbox": [0, 0, 1, 1]}
            )
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


def test_finders_are_ranked_and_compared(dataset):
    """The mask of the best mean of score and stability counts first."""
    good, bad = RLE.encode(disc(*SIZE, 100, 100, 40)), RLE.encode(disc(*SIZE, 10, 10, 5))

    def careful(image):
        return Segments(
            image.size, (bad, good), [0.9, 0.8], stability_scores=np.array([0.1, 0.9], np.float32)
        )

    def careless(image):
        return Segments(image.size, (bad, good), [0.9, 0.8])

    def idle(image):
        return Segments.empty(image.size)

    seen = []
    report = run_everything(
        dataset,
        {"careful": careful, "careless": careless, "idle": idle},
        limits=(1, 10),
        progress=lambda *pair: seen.append(pair),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (report.pictures, report.targets) == (4, 8)
    recalls = [trace.counts.average_recall() for trace in report.traces]
    assert [row["all"] for row in recalls] == [{1: 0.5, 10: 0.5}, {1: 0, 10: 0.5}, {1: 0, 10: 0}]
    assert recalls[0]["medium"] == {1: 1.0, 10: 1.0}
    assert [trace.masks for trace in report.traces] == [2, 2, 0]
    table = recall_table(report, ORIGIN)
    assert "| careful" in table
    assert "8 objects (4 small, 4 medium, 0 large) on 4 pictures" in table
    plain = recall_to_json(report, ORIGIN)
    assert json.loads(json.dumps(plain)) == plain
    assert plain["finders"][1]["average_recall"]["all"] == {"1": 0, "10": 0.5}
    assert plain["finders"][1]["average_recall"]["large"] == {"1": None, "10": None}


def test_whole_pictures_are_chosen(dataset):
    assert [sample.name for sample in first_pictures(dataset, 2).samples] == ["a", "c"]
    assert first_pictures(dataset, 2).targets == 4
    assert first_pictures(dataset, None) is dataset
    with pytest.raises(InputError, match="at least 1"):
        first_pictures(dataset, 0)


def test_refusals_of_the_comparison(dataset, tmp_path):
    with pytest.raises(InputError, match="at least one way"):
        run_everything(dataset, {})
    from fakes_for_evaluate import picture

    picture(tmp_path / "a.png", 20, 30)
    with pytest.raises(FormatError, match=r"is 30 x 20 pixels, but the mask of 'object 0' is 320 x 240"):
        run_everything(dataset, {"idle": lambda image: Segments.empty(image.size)})


def test_counts_are_values():
    counts = RecallCounts((5,), np.zeros((4, 1, 10), np.int64), np.ones(4, np.int64))
    assert (counts + counts).wanted.tolist() == [2] * 4
