"""The facade on the example pictures: what a user asks, and what comes back."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

import promptseg
from promptseg import Box, Mask, Point, Polygon, Scribble, Segmenter
from promptseg.errors import ImageError, InputError, PromptError, WeightsError
from promptseg.geometry import Size
from promptseg.masks.overlap import iou

FACE = Point(220, 150)
ROCKET = Box(285, 60, 360, 340)
CUP = Scribble(((110, 260), (150, 320), (230, 355), (340, 350)), width=12)


def test_a_click_on_the_face_finds_the_cat(segmenter, embedded):
    cut = segmenter.segment(embedded("chelsea"), FACE)
    assert len(cut) == 1
    assert cut.size == Size(300, 451)
    assert cut.areas[0] > 0.3 * 300 * 451
    assert cut.scores[0] > 0.7
    assert cut.dense()[0, 150, 220]
    assert cut.prompts == ((FACE,),)
    assert cut.low_res_logits is not None
    assert cut.low_res_logits.shape == (1, 256, 256)
    assert cut.draw().size == (451, 300)


def test_a_box_finds_the_rocket(segmenter, embedded):
    cut = segmenter.segment(embedded("rocket"), ROCKET)
    x0, y0, x1, y1 = cut.boxes[0]
    assert ROCKET.x0 - 15 <= x0 < x1 <= ROCKET.x1 + 15
    assert ROCKET.y0 - 15 <= y0 < y1 <= ROCKET.y1 + 15
    assert y1 - y0 > 200
    assert cut.scores[0] > 0.7


def test_polygon_scribble_and_mask(segmenter, embedded):
    cat = segmenter.segment(embedded("chelsea"), FACE)
    mask = segmenter.segment(embedded("chelsea"), Mask(cat.dense()[0]))
    assert iou(mask.masks[0], cat.masks[0]) > 0.8
    small = segmenter.segment(embedded("chelsea"), Mask(cat.dense()[0][::3, ::3]))
    assert iou(small.masks[0], cat.masks[0]) > 0.8
    x0, y0, x1, y1 = ROCKET.xyxy
    rocket = segmenter.segment(embedded("rocket"), ROCKET)
    outline = segmenter.segment(embedded("rocket"), Polygon(((x0, y0), (x1, y0), (x1, y1), (x0, y1))))
    assert iou(outline.masks[0], rocket.masks[0]) > 0.4
    stroke = segmenter.segment(embedded("rocket"), Scribble(((322, 120), (322, 280)), width=6))
    assert stroke.dense()[0, 200, 322]
    assert stroke.areas[0] < 0.2 * 427 * 640


def test_a_negative_click_takes_away(segmenter, embedded):
    image = embedded("astronaut")
    both = segmenter.segment(image, [Point(225, 300), Point(225, 110, positive=False)])
    assert both.dense()[0, 300, 225]
    assert not both.dense()[0, 110, 225]


def test_granularities_are_nested(segmenter, embedded):
    image = embedded("astronaut")
    click = Point(225, 110)
    nested = segmenter.segment(image, click, granularity="all")
    assert nested.granularities == ("part", "object", "whole")
    assert nested.areas.tolist() == sorted(nested.areas.tolist())
    assert nested.object_ids.tolist() == [0, 0, 0]
    assert nested.prompts == ((click,),) * 3
    for index, kind in enumerate(nested.granularities):
        one = segmenter.segment(image, click, granularity=kind)
        assert one == nested[index]
    auto = segmenter.segment(image, click)
    assert auto.granularities == (None,)
    assert auto.masks[0] in nested.masks
    two = segmenter.segment(image, [[click], [Point(400, 400)]], granularity="all")
    assert two.object_ids.tolist() == [0, 0, 0, 1, 1, 1]
    assert two.granularities == nested.granularities * 2


def test_several_objects_equal_each_alone(segmenter, embedded):
    image = embedded("chelsea")
    objects = [
        [FACE],
        [FACE, Point(30, 30, positive=False)],
        [Box(60, 20, 380, 290)],
        [Box(60, 20, 380, 290), FACE, Point(150, 100)],
        [Mask(np.pad(np.ones((200, 200)), ((50, 50), (100, 151))))],
        [Point(430, 20)],
    ]
    together = segmenter.segment(image, objects)
    assert together.object_ids.tolist() == list(range(6))
    assert together.prompts == tuple(map(tuple, objects))
    for row, prompts in enumerate(objects):
        alone = segmenter.segment(image, prompts)
        assert iou(alone.masks[0], together.masks[row]) > 0.999
        assert alone.scores[0] == pytest.approx(together.scores[row], abs=1e-4)
    assert len(segmenter.segment(image, [Point(x, 150) for x in (100, 200, 300)])) == 1
    assert len(segmenter.segment(image, [Box(10, 10, 90, 90), Box(100, 100, 300, 280)])) == 2


def test_more_objects_than_fit_into_one_call(segmenter, embedded, monkeypatch):
    from promptseg.segment.places import predictor

    image = embedded("chelsea")
    objects = [[Point(x, 150)] for x in (60, 140, 220)]
    whole = segmenter.segment(image, objects)
    monkeypatch.setattr(predictor, "CHUNK", 2)
    parts = segmenter.segment(image, objects)
    assert [iou(a, b) > 0.999 for a, b in zip(whole.masks, parts.masks, strict=True)] == [True] * 3


def test_all_kinds_of_pictures_give_equal_embeddings(segmenter, embedded, examples):
    path = examples / "chelsea.jpg"
    expected = embedded("chelsea")
    picture = Pillow.open(path).convert("RGB")
    for source in (str(path), path.read_bytes(), picture, np.asarray(picture), expected.image):
        found = segmenter.embed(source)
        assert np.array_equal(found.features, expected.features)
        assert found.image == expected.image
        assert found.size == (300, 451)
    assert (found.model, segmenter.model) == ("mobile-sam", "mobile-sam-clicks")
    with pytest.raises(ValueError, match="read-only"):
        found.features[0] = 0


def test_segment_takes_what_embed_takes(segmenter, embedded, examples):
    direct = segmenter.segment(examples / "chelsea.jpg", FACE)
    assert direct == segmenter.segment(embedded("chelsea"), FACE)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 3)])
def test_extreme_sizes(segmenter, size):
    pixels = np.full((*size, 3), 200, np.uint8)
    cut = segmenter.segment(pixels, [[Point(0, 0)], [Point(size[1], size[0])], [Box(0, 0, size[1], size[0])]])
    assert cut.dense().shape == (3, *size)
    assert np.isfinite(cut.scores).all()


@pytest.mark.parametrize(
    ("prompts", "kind", "hint"),
    [
        ([], PromptError, "No prompt"),
        (None, PromptError, "NoneType"),
        (Point(452, 10), PromptError, "lies outside the picture of 451 x 300"),
        ([Point(1, 1, positive=False)], PromptError, "Every prompt is negative"),
        ([[Box(1, 1, 9, 9), Box(2, 2, 8, 8)]], PromptError, "one positive box"),
    ],
)
def test_prompts_that_are_refused(segmenter, embedded, prompts, kind, hint):
    with pytest.raises(kind, match=hint):
        segmenter.segment(embedded("chelsea"), prompts)


def test_other_refusals(segmenter, embedded, tmp_path):
    image = embedded("chelsea")
    with pytest.raises(InputError, match="Unknown granularity 'big': expected auto, part, object, whole, all"):
        segmenter.segment(image, FACE, granularity="big")
    import dataclasses

    foreign = dataclasses.replace(image, model="sam-vit-h")
    for call in (lambda: segmenter.segment(foreign, FACE), lambda: segmenter.session(foreign)):
        with pytest.raises(InputError, match="embedded by 'sam-vit-h', the segmenter is 'mobile-sam-clicks'"):
            call()
    for nothing in (None, 5, [], b"", b"text", tmp_path / "missing.jpg", tmp_path, np.zeros((0, 5, 3))):
        with pytest.raises(ImageError):
            segmenter.embed(nothing)
    with pytest.raises(WeightsError, match="no model called 'sam9'"):
        Segmenter("sam9")
    with pytest.raises(InputError, match="Unknown runtime"):
        Segmenter(runtime="abacus")


def test_the_model_decides_about_the_segmenter(segmenter):
    from promptseg.segment.sam import SamSegmenter
    from promptseg.segment.seem.segmenter import SeemSegmenter

    assert type(segmenter) is SamSegmenter
    assert issubclass(SeemSegmenter, Segmenter)
    assert not issubclass(SeemSegmenter, SamSegmenter)
    with pytest.raises(WeightsError, match="no SAM network"):
        SamSegmenter("seem-focal-t")
    with pytest.raises(InputError, match="no SEEM model"):
        SeemSegmenter("mobile-sam")


def test_abilities_are_words_that_are_explained(segmenter):
    from promptseg.models.registry import CARDS, MODEL_ABILITIES

    assert segmenter.abilities == frozenset(MODEL_ABILITIES) - {"classes"}
    assert all(card.abilities <= MODEL_ABILITIES.keys() for card in CARDS)


def test_names(segmenter):
    assert repr(segmenter) == "Segmenter('mobile-sam-clicks', runtime='onnx', precision='float32')"
    assert segmenter.runtime.name == "onnx"
    assert promptseg.Segmenter is Segmenter


def test_results_do_not_depend_on_each_other(segmenter, embedded):
    """Threads, caches and batches are safe because nothing is remembered between calls."""
    image = embedded("chelsea")
    before = segmenter.segment(image, FACE)
    segmenter.segment(image, Box(10, 10, 60, 60))
    segmenter.segment(embedded("rocket"), ROCKET)
    assert segmenter.segment(image, FACE) == before


def test_a_file_with_orientation_takes_upright_coordinates(segmenter, examples):
    picture = Pillow.open(examples / "chelsea.jpg").convert("RGB")
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was turned
    file = io.BytesIO()
    picture.transpose(Pillow.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    cut = segmenter.segment(file.getvalue(), FACE)
    assert cut.size == (300, 451)
    assert cut.areas[0] > 0.3 * 300 * 451
