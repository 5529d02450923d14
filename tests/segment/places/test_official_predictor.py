"""The same numbers given to the official predictor give the same mask (MobileSAM, the embedded weights)."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from promptseg import Segmenter
from promptseg.masks.upsample import upsample_to_rle
from promptseg.models.network import Network
from promptseg.prompts.encode import encode_object
from promptseg.prompts.types import Box, Point
from promptseg.segment.places.predictor import Candidates, Chosen, choose, decode

CASES = {
    "chelsea": ([(220, 150), (30, 30), (350, 200)], [1, 0, 1], (60, 20, 380, 290)),
    "rocket": ([(322, 200), (100, 100), (322, 90)], [1, 0, 1], (285, 60, 360, 340)),
}
KINDS = {"point": (1, False), "points": (3, False), "box": (0, True), "point+box": (1, True), "all": (3, True)}


@pytest.fixture(scope="module")
def plain():
    """With the official weights; the default model has a decoder of its own."""
    return Segmenter("mobile-sam", runtime="onnx", threads=1)


@pytest.fixture(scope="module")
def official(official_mobile_sam):
    model = official_mobile_sam.sam_model_registry["vit_t"]()
    state = {
        name: torch.tensor(array.astype(np.float32) if array.dtype.kind == "f" else array)
        for name, array in Network.load().tensors.items()
    }
    model.load_state_dict(state, strict=True)
    model.eval()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    predictor = official_mobile_sam.SamPredictor(model)
    yield predictor
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=CASES)
def picture(request, official, examples):
    official.set_image(np.asarray(Pillow.open(examples / f"{request.param}.jpg").convert("RGB")))
    return request.param


def overlap(first, second):
    return np.logical_and(first, second).sum() / max(1, np.logical_or(first, second).sum())


@pytest.mark.parametrize("with_memory", [False, True], ids=["fresh", "memory"])
@pytest.mark.parametrize("kind", KINDS)
def test_same_masks_and_scores(official, picture, plain, embedded, kind, with_memory):
    points, labels, box = CASES[picture]
    count, boxed = KINDS[kind]
    image = embedded(picture)
    prompts = tuple(Point(*p, bool(k)) for p, k in zip(points[:count], labels, strict=False))
    prompts += (Box(*box),) if boxed else ()
    given = {
        "point_coords": np.array(points[:count], float) if count else None,
        "point_labels": np.array(labels[:count]) if count else None,
        "box": np.array(box, float) if boxed else None,
    }
    memory = None
    if with_memory:
        _, scores, low = official.predict(np.array(points[:1], float), np.array([1]), multimask_output=True)
        memory = low[np.argmax(scores)]
        given["mask_input"] = memory[None]
    (found,) = decode(plain.runtime, image, [encode_object(prompts, image.frame, memory=memory)])
    for several in (False, True):
        masks, scores, low = official.predict(**given, multimask_output=several)
        ours = range(1, 4) if several else range(1)
        for row, index in enumerate(ours):
            assert found.scores[index] == pytest.approx(scores[row], abs=1e-3)
            assert abs(found.logits[index] - low[row]).max() < 5e-3
            mask = upsample_to_rle(found.logits[index], image.frame).dense()
            assert overlap(mask, masks[row]) >= 0.999


@pytest.mark.parametrize("kind", ["point", "points", "box", "point+box"])
def test_the_facade_gives_the_mask_that_the_official_recipe_gives(official, picture, plain, embedded, kind):
    """A click alone: one of the three; anything else: the single mask (specification A3.6)."""
    points, labels, box = CASES[picture]
    count, boxed = KINDS[kind]
    prompts = [Point(*p, bool(k)) for p, k in zip(points[:count], labels, strict=False)]
    prompts += [Box(*box)] if boxed else []
    masks, scores, _ = official.predict(
        np.array(points[:count], float) if count else None,
        np.array(labels[:count]) if count else None,
        np.array(box, float) if boxed else None,
        multimask_output=kind == "point",
    )
    cut = plain.segment(embedded(picture), prompts)
    best = int(np.argmax([overlap(cut.dense()[0], mask) for mask in masks]))
    assert overlap(cut.dense()[0], masks[best]) >= 0.999
    assert cut.scores[0] == pytest.approx(scores[best], abs=1e-3)


def test_embeddings_agree(official, picture, embedded):
    expected = official.get_image_embedding().numpy()
    assert abs(embedded(picture).features - expected).max() < 1e-3


def test_a_single_click_takes_score_and_size_into_account(embedded):
    """The official recipe takes the best score; we let large masks pay for their size."""
    frame = embedded("rocket").frame
    logits = np.full((4, 256, 256), -1, np.float32)
    logits[1, :20, :20] = logits[2, :60, :60] = logits[3] = 1
    for scores, official, ours in (
        ([0.99, 0.5, 0.6, 0.9], 3, None),
        ([0.99, 0.95, 0.6, 0.7], 1, 1),
        ([0.0, 0.90, 0.90, 0.901], 3, 1),
    ):
        found = Candidates(logits, np.array(scores, np.float32))
        assert found.best_of_three() == official
        ((index, kind, _),) = choose(found, True, "auto", frame)
        assert kind is None
        assert index == ours or (ours is None and index in (1, 2, 3))
        assert choose(found, False, "auto", frame) == [Chosen(0)]


def test_choice_of_candidates_is_by_area_inside_the_picture(plain, embedded):
    image = embedded("rocket")
    (found,) = decode(plain.runtime, image, [encode_object((Point(322, 200),), image.frame)])
    order = [index for index, *_ in choose(found, True, "all", image.frame)]
    areas = [upsample_to_rle(found.logits[index], image.frame).area for index in order]
    assert sorted(order) == [1, 2, 3]
    assert areas == sorted(areas)
