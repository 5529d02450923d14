"""The exact mode gives the records of the official generator, in its order."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from pycocotools import mask as coco
from scene import SceneRuntime

from promptseg.geometry import ResizeFrame
from promptseg.images import Image, preprocess
from promptseg.models.network import Network
from promptseg.runtimes.protocol import DecoderInputs
from promptseg.segment.embedded import embed
from promptseg.segment.everything.generate import everything, iter_everything
from promptseg.segment.everything.options import EverythingOptions

FEW = {"points_per_side": 5}
GRIDS = [[(0.1, 0.2), (0.5, 0.5), (0.9, 0.7)], [(0.5, 0.5), (0.2, 0.8)]]
CASES = {
    "plain": FEW,
    "many points": {"points_per_side": 9},
    "one point": {"points_per_side": 1, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0},
    "no filters": FEW | {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0},
    "stability": FEW | {"stability_score_thresh": 0.8, "stability_score_offset": 2.0},
    "loose boxes": FEW | {"box_nms_thresh": 1.0, "pred_iou_thresh": 0.95},
    "strict boxes": FEW | {"box_nms_thresh": 0.2},
    "crops": FEW | {"crop_n_layers": 1, "crop_n_points_downscale_factor": 2},
    "two layers": {"points_per_side": 8, "crop_n_layers": 2, "crop_n_points_downscale_factor": 2},
    "crops, strict between": FEW | {"crop_n_layers": 1, "crop_nms_thresh": 0.1, "crop_overlap_ratio": 0.6},
    "own grids": {"points_per_side": None, "point_grids": GRIDS, "crop_n_layers": 1, "pred_iou_thresh": 0.5},
    "small regions": FEW | {"min_mask_region_area": 60},
    "large regions": FEW | {"min_mask_region_area": 3000},
    "crops and regions": FEW | {"crop_n_layers": 1, "min_mask_region_area": 100, "crop_nms_thresh": 0.9},
    "nearly all off": {"points_per_side": 3, "crop_n_layers": 1, "min_mask_region_area": 9}
    | {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0, "crop_nms_thresh": 1.0},
}
SIZES = (150, 231), (190, 97)


class ScenePredictor:
    """The official predictor's methods over the made-up engine, enlarging as the official model does."""

    device = "cpu"

    def __init__(self, model, transform):
        self.model, self.transform, self.runtime = model, transform, SceneRuntime()

    def set_image(self, pixels):
        self.frame = ResizeFrame.fit(pixels.shape[:2])
        self.features = self.runtime.encode(preprocess(Image(pixels), self.frame))

    def reset_image(self):
        self.features = None

    def predict_torch(self, points, labels, multimask_output, return_logits):
        assert multimask_output
        assert return_logits
        tokens = np.concatenate([points.numpy(), np.zeros((len(points), 1, 2))], axis=1).astype(np.float32)
        marks = np.concatenate([labels.numpy(), np.full((len(points), 1), -1)], axis=1)
        answer = self.runtime.decode(self.features, DecoderInputs(tokens, marks))
        low = torch.tensor(answer.logits[:, 1:])
        wide = torch.nn.functional.interpolate(low, (1024, 1024), mode="bilinear", align_corners=False)
        wide = wide[..., : self.frame.resized.height, : self.frame.resized.width]
        full = torch.nn.functional.interpolate(wide, tuple(self.frame.original), mode="bilinear", align_corners=False)
        return full, torch.tensor(answer.scores[:, 1:]), low


def noise(size):
    return np.random.default_rng(size[0]).integers(0, 256, (*size, 3), np.uint8)


def official_records(generator, model, pixels, options):
    grids = options.get("point_grids")
    given = options | ({"point_grids": [np.array(grid) for grid in grids]} if grids else {})
    made = generator(model, output_mode="coco_rle", points_per_batch=16, **given)
    made.predictor = ScenePredictor(model, made.predictor.transform)
    return made.generate(pixels)


def check(ours, theirs, least=0.999, **close):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert list(mine) == list(other)
        for key in ("point_coords", "crop_box"):
            assert mine[key] == other[key]
        assert mine["predicted_iou"] == pytest.approx(other["predicted_iou"], abs=close.get("score", 0))
        assert mine["stability_score"] == pytest.approx(other["stability_score"], abs=2e-3, nan_ok=True)
        both = [mine["segmentation"], other["segmentation"]]
        assert mine["area"] == coco.area(both[0])
        if other["area"]:
            assert coco.iou(both[:1], both[1:], [0])[0, 0] >= least
            assert np.allclose(mine["bbox"], other["bbox"], atol=1)


@pytest.mark.parametrize("case", CASES)
def test_same_records_in_the_same_order(official_generator, blank_model, case):
    pixels = noise(SIZES[list(CASES).index(case) % 2])
    theirs = official_records(official_generator, blank_model, pixels, CASES[case])
    runtime = SceneRuntime()
    embedded = embed(runtime, Image(pixels), "scene")
    ours = everything(runtime, embedded, EverythingOptions(mode="exact", **CASES[case]))
    assert len(ours) > 1, "a comparison of nothing proves nothing"
    check(ours.to_records(), theirs)


def test_the_scene_exercises_every_filter(official_generator, blank_model):
    """Each option changes the outcome, else the comparison above would be blind to it."""
    pixels = noise(SIZES[0])
    runtime = SceneRuntime()
    embedded = embed(runtime, Image(pixels), "scene")

    def outcome(**changes):
        found = everything(runtime, embedded, EverythingOptions(mode="exact", **changes))
        return [(mask, tuple(crop)) for mask, crop in zip(found.masks, found.crop_boxes.tolist(), strict=True)]

    base = CASES["crops and regions"]
    for change in (
        {"pred_iou_thresh": 0.95},
        {"stability_score_thresh": 0.0},
        {"stability_score_offset": 3.0},
        {"box_nms_thresh": 0.4, "crop_nms_thresh": 0.9},
        {"crop_nms_thresh": 0.5},
        {"crop_n_layers": 0},
        {"crop_overlap_ratio": 0.1},
        {"crop_n_points_downscale_factor": 2},
        {"min_mask_region_area": 0},
        {"points_per_side": 6},
    ):
        assert outcome(**base) != outcome(**base | change), change


@pytest.mark.parametrize("case", ["plain", "crops", "small regions", "crops and regions", "two layers"])
def test_parts_joined_are_the_whole(case):
    runtime = SceneRuntime()
    embedded = embed(runtime, Image(noise(SIZES[1])), "scene")
    options = EverythingOptions(mode="exact", **CASES[case])
    whole = everything(runtime, embedded, options)
    parts = list(iter_everything(runtime, embedded, options))
    assert all(len(part) for part in parts)
    assert type(whole).concatenate(parts) == whole
    assert whole.object_ids.tolist() == list(range(len(whole)))
    if "crops" in case:
        assert len(parts) > 2


@pytest.fixture(scope="module")
def official_model(official_mobile_sam):
    model = official_mobile_sam.sam_model_registry["vit_t"]()
    tensors = Network.load().tensors
    state = {
        name: torch.tensor(array.astype(np.float32) if array.dtype.kind == "f" else array)
        for name, array in tensors.items()
    }
    model.load_state_dict(state, strict=True)
    model.eval()  # once more after loading: eval() caches the attention biases
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield model
    torch.set_num_threads(threads)


def test_same_records_with_the_real_weights(official_generator, official_model, segmenter, examples):
    options = {"points_per_side": 4, "crop_n_layers": 1, "crop_n_points_downscale_factor": 4}
    options |= {"min_mask_region_area": 100, "pred_iou_thresh": 0.7, "stability_score_thresh": 0.8}
    picture = Image(np.asarray(Pillow.open(examples / "coffee.jpg").convert("RGB").resize((300, 200))))
    theirs = official_generator(official_model, output_mode="coco_rle", **options).generate(picture.pixels)
    ours = segmenter.everything(picture, mode="exact", **options)
    assert len(ours) > 5
    check(ours.to_records(), theirs, least=0.99, score=1e-3)
