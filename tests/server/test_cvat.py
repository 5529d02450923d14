"""CVAT's auto-annotation functions, against the SDK's own types."""

from dataclasses import dataclass
from typing import Any

import cvat_sdk.auto_annotation as cvataa
import numpy as np
import pytest
from cvat_sdk.masks import decode_mask
from PIL import Image as Pillow

from promptseg import Box, Point
from promptseg.cvat import Detector, Interactor, create
from promptseg.errors import InputError, PromptError
from promptseg.masks.raster import polygon_to_mask


@dataclass(frozen=True)
class Context:
    frame_name: str = "astronaut.jpg"
    conf_threshold: float | None = None
    conv_mask_to_poly: bool = False


@dataclass(frozen=True)
class Prompts:
    pos_points: Any = ()
    neg_points: Any = ()
    bounding_box: Any = None


@pytest.fixture(scope="module")
def photo(examples) -> Pillow.Image:
    return Pillow.open(examples / "astronaut.jpg")


def test_the_detector_finds_what_everything_finds(twin, photo) -> None:
    detector = Detector(segmenter=twin, points_per_side=4)
    assert [(label.id, label.name) for label in detector.spec.labels] == [(0, "object")]
    expected = twin.everything(photo, points_per_side=4)
    shapes = detector.detect(Context(), photo)
    decoded = [decode_mask(shape.points, image_width=512, image_height=512) for shape in shapes]
    assert np.array_equal(np.stack(decoded), expected.dense())
    assert all(shape.type.value == "mask" and shape.label_id == 0 and shape.frame == 0 for shape in shapes)
    polygons = detector.detect(Context(conv_mask_to_poly=True), photo)
    assert all(shape.type.value == "polygon" for shape in polygons)
    drawn = polygon_to_mask(np.reshape(polygons[0].points, (-1, 2)), (512, 512))
    assert (drawn & expected.dense()[0]).sum() > 0.95 * drawn.sum()
    least = float(np.median(expected.scores))
    assert len(detector.detect(Context(conf_threshold=least), photo)) == int((expected.scores >= least).sum())


def test_the_label_of_all_masks_can_be_chosen(twin) -> None:
    assert [label.name for label in Detector(segmenter=twin, labels="cell").spec.labels] == ["cell"]
    with pytest.raises(InputError, match="no classes"):
        Detector(segmenter=twin, labels="cat,dog")


def test_the_interactor_answers_points_and_boxes(twin, photo) -> None:
    interactor = create("interactor", segmenter=twin)
    assert isinstance(interactor.spec, cvataa.InteractionFunctionSpec)
    image = interactor.preprocess_image(None, photo)
    given = Prompts([(220.0, 120.0)], [(400.0, 60.0)], ((150.0, 20.0), (300.0, 240.0)))
    (shape,) = interactor.detect(None, image, given)
    prompts = [Point(220, 120), Point(400, 60, positive=False), Box(150, 20, 300, 240)]
    expected = twin.segment(image, [prompts])
    assert np.array_equal(decode_mask(shape.points, image_width=512, image_height=512), expected.dense()[0])
    (attribute,) = shape.attributes
    assert attribute.spec_id == cvataa.InteractionResultAttributes.CONFIDENCE
    assert float(attribute.value) == pytest.approx(float(expected.scores[0]), abs=1e-4)
    with pytest.raises(PromptError, match="positive"):
        interactor.detect(None, image, Prompts(neg_points=[(1.0, 1.0)]))


def test_unknown_kinds() -> None:
    with pytest.raises(InputError, match="interactor"):
        create("tracker")
    assert isinstance(create(), Detector)
    assert isinstance(create(kind="interactor"), Interactor)


def test_the_module_is_what_cvat_cli_asks_for() -> None:
    """`--function-module` names a module with `create`, whose result has a spec and `detect`."""
    import importlib

    module = importlib.import_module("promptseg.cvat")
    made = module.create()
    assert isinstance(made.spec, cvataa.DetectionFunctionSpec)
    assert callable(made.detect)
