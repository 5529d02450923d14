"""The facade with synthetic weights: every prompt, every task, and the queries that the official code chooses."""

import json
from dataclasses import replace

import numpy as np
import pytest
from seem_synthetic import golden

from promptseg import Audio, Box, Circle, Mask, Point, Polygon, Reference, Scribble, Segmenter, Segments, Text
from promptseg.errors import InputError, PromptError, WeightsError
from promptseg.masks.overlap import iou
from promptseg.masks.rle import RLE
from promptseg.runtimes.seem import SeemRequest, cosines
from promptseg.segment.seem.predictor import answer
from promptseg.segment.seem.segmenter import SeemSegmenter
from promptseg.segment.session import Session

CLASSES = ["cat", "dog"]


def stroke() -> np.ndarray:
    mask = np.zeros((96, 128), np.uint8)
    mask[30:38, 40:60] = 1
    return mask


PLACES = {
    "point": Point(50, 40),
    "box": Box(20, 20, 60, 70),
    "scribble": Scribble([(10, 10), (60, 50)], 4),
    "circle": Circle(50, 40, 8),
    "polygon": Polygon([(20, 20), (70, 30), (40, 80)]),
    "mask": Mask(stroke()),
}


@pytest.mark.parametrize("kind", PLACES)
def test_places(seem, embedded, kind):
    found = seem.segment(embedded, PLACES[kind], vocabulary=CLASSES)
    assert len(found) == 1
    assert found.size == (96, 128)
    assert found.labels[0] in CLASSES
    assert 0.5 < found.scores[0] <= 1
    assert found.prompts == ((PLACES[kind],),)
    assert found.low_res_logits.shape == (1, 24, 32)
    assert found == seem.segment(embedded, PLACES[kind], vocabulary=CLASSES), "not deterministic"


def test_negative_strokes_change_the_answer(seem, embedded):
    alone = seem.segment(embedded, PLACES["point"], vocabulary=CLASSES)
    for other in PLACES.values():
        both = seem.segment(embedded, [PLACES["point"], _negative(other)], vocabulary=CLASSES)
        assert not np.array_equal(both.low_res_logits, alone.low_res_logits)
    with pytest.raises(PromptError, match="Only negative prompts"):
        seem.segment(embedded, Point(3, 3, positive=False))


def _negative(prompt):
    from promptseg.prompts.types import prompt_from_json

    return prompt_from_json({**prompt.to_json(), "positive": False})


def test_all_kinds_together_and_their_precedence(seem, embedded, other):
    reference = Reference(other, Mask(stroke()))
    with_text = seem.segment(embedded, [Text("a red umbrella"), reference], vocabulary=CLASSES)
    alone = seem.segment(embedded, reference, vocabulary=CLASSES)
    assert with_text.scores[0] > 0.5, "the reference chooses, not the phrase"
    assert not np.array_equal(with_text.low_res_logits, alone.low_res_logits), "the phrase has an influence"
    everything = [Text("a red umbrella"), reference, Point(50, 40), Point(2, 2, positive=False)]
    (found,) = seem.segment(embedded, [everything], vocabulary=CLASSES)
    assert found.labels[0] in CLASSES


def test_objects(seem, embedded):
    objects = [[Point(50, 40)], [Box(5, 5, 40, 40), Point(9, 9)], [Text("dog")]]
    found = seem.segment(embedded, objects, vocabulary=CLASSES)
    assert found.object_ids.tolist() == [0, 1, 2]
    for number, prompts in enumerate(objects):
        assert found.masks[number] == seem.segment(embedded, prompts, vocabulary=CLASSES).masks[0]
    assert len(seem.segment(embedded, [Box(5, 5, 40, 40), Box(50, 50, 90, 90)], vocabulary=CLASSES)) == 2


def test_phrases_one_by_one_or_together(seem, embedded):
    texts = [Text("a red umbrella"), Text("the dog on the left")]
    apart = seem.segment(embedded, texts)
    assert apart.labels == ("a red umbrella", "the dog on the left")
    for number, text in enumerate(texts):
        assert apart.masks[number] == seem.segment(embedded, text).masks[0]
    together = seem.segment(embedded, texts, together=True)
    assert together.labels == apart.labels
    assert not np.array_equal(together.low_res_logits, apart.low_res_logits)
    assert seem.segment(embedded, texts[:1], together=True).masks == apart.masks[:1]
    assert seem.segment(embedded, texts[0], vocabulary=CLASSES).labels[0] in CLASSES
    with pytest.raises(InputError, match="Only phrases"):
        seem.segment(embedded, [Text("dog"), Point(3, 3)], together=True)


def test_speech(seem, embedded, tmp_path, monkeypatch):
    file = tmp_path / "spoken.wav"
    file.write_bytes(b"RIFF")

    class Ear:
        def transcribe(self, file: str) -> str:
            return "a red  umbrella\n"

    spoken = seem.segment(embedded, Audio(file), transcriber=Ear(), vocabulary=CLASSES)
    written = seem.segment(embedded, Text("a red umbrella"), vocabulary=CLASSES)
    assert spoken.masks == written.masks
    assert spoken.prompts == ((Audio(file, phrase="a red umbrella"),),)
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="models download whisper-base"):
        seem.segment(embedded, Audio(file))


def test_the_official_choices(seem: SeemSegmenter, embedded):
    """Queries and masks of the official demo code, on the same weights and picture."""
    theirs = golden("focalt_demo_text")
    phrases = seem.runtime.read(np.atleast_2d(theirs["text_input_ids"]).astype(np.int64))
    (reply,) = seem.runtime.decode(embedded.features, [SeemRequest(text=phrases)])
    query = cosines(reply.captions, phrases.sentences)[:, 0].argmax()
    assert query == theirs["text_chosen_index"].item()
    np.testing.assert_allclose(reply.masks[query], theirs["text_chosen_mask"].squeeze(), atol=1e-4)
    theirs = golden("focalt_demo_stroke")
    found = answer(seem._engine, embedded, (Mask(theirs["stroke"][0]),), vocabulary=CLASSES)
    assert found.query == theirs["stroke_chosen_index"].item()
    np.testing.assert_allclose(found.logits, theirs["stroke_chosen_mask"].squeeze(), atol=1e-4)
    final = RLE.encode(theirs["final_binary_mask"].squeeze())
    assert embedded.frame.enlargement("bilinear", "bilinear").mask(found.logits) == final, "as on the official page"
    assert iou(found.mask, final) > 0.9, "bicubic, as in the official evaluation: other rims"


def test_the_official_reference(seem: SeemSegmenter, embedded, other):
    theirs, region = golden("focalt_demo_visual"), golden("focalt_demo_reference_tokens")
    reference = Reference(other, Mask(region["ref_mask"].squeeze()))
    found = answer(seem._engine, embedded, (reference,), vocabulary=CLASSES)
    assert found.query == theirs["visual_chosen_index"].item()
    np.testing.assert_allclose(found.logits, theirs["visual_chosen_mask"].squeeze(), atol=1e-4)


def test_sessions(seem, embedded):
    session = seem.session(embedded, vocabulary=CLASSES)
    assert isinstance(session, Session)
    first = session.add(Point(50, 40))
    second = session.add(Point(90, 40, positive=False))
    forgetful = seem.session(embedded, vocabulary=CLASSES, memory=False)
    forgetful.add(Point(50, 40))
    without = forgetful.add(Point(90, 40, positive=False))
    assert not np.array_equal(second.low_res_logits, without.low_res_logits), "the memory has an influence"
    both = [Point(50, 40), Point(90, 40, positive=False)]
    assert without.masks == seem.segment(embedded, both, vocabulary=CLASSES).masks
    assert session.undo() == first
    assert session.redo() == second
    again = seem.session(embedded, vocabulary=CLASSES)
    again.replay(json.loads(json.dumps(session.to_json())))
    assert again.segments == second
    with pytest.raises(InputError, match="granularity must be auto"):
        session.add(Point(4, 4), granularity="part")


def test_tasks_without_prompts(seem, embedded):
    panoptic = seem.panoptic(embedded, CLASSES, score=0.5, overlap=0.0)
    assert panoptic.segments.size == (96, 128)
    assert set(panoptic.segments.labels) <= set(CLASSES)
    instances = seem.instances(embedded, CLASSES, top=7)
    assert 0 < len(instances) <= 7
    assert (np.diff(instances.scores) <= 0).all()
    semantic = seem.semantic(embedded, CLASSES)
    assert semantic.segments.areas.sum() == 96 * 128
    assert seem.segment(embedded, vocabulary=CLASSES) == seem.panoptic(embedded, CLASSES).segments


def test_labels_of_any_mask(seem, embedded):
    masks = [np.zeros((96, 128), bool) for _ in range(11)]  # more than are labelled at a time
    for number, mask in enumerate(masks[:-1]):
        mask[8 * number : 8 * number + 9, 10:90] = True
    segments = Segments(size=(96, 128), masks=tuple(map(RLE.encode, masks)))
    named = seem.label(embedded, segments, CLASSES)
    assert named.masks == segments.masks
    assert named.labels[-1] is None, "an empty mask"
    for number in (0, 9):
        (alone,) = seem.segment(embedded, Mask(masks[number]), vocabulary=CLASSES).labels
        assert named.labels[number] == alone
    with pytest.raises(InputError, match="of a picture of"):
        seem.label(embedded, Segments.empty((5, 5)), CLASSES)


def test_all_matches(seem, embedded):
    best = seem.segment(embedded, Text("dog"))
    found = seem.match(embedded, "dog", threshold=-1, iou=0.9)
    assert len(found) > 1
    assert (np.diff(found.scores) <= 0).all()
    assert set(found.labels) == {"dog"}
    assert seem.match(embedded, Text("dog"), threshold=float(best.scores[0]) - 1e-6).masks == best.masks
    assert len(seem.match(embedded, "dog")) >= 1
    with pytest.raises(InputError, match="between -1 and 1"):
        seem.match(embedded, "dog", threshold=7)


def test_what_only_sam_does_is_refused(seem, embedded):
    for refused in (seem.everything, seem.iter_everything, seem.edges, seem.proposals, seem.embed_tiles):
        with pytest.raises(InputError, match=r"for SAM models\. With seem-focal-t use"):
            refused(embedded)
    for refused in (seem.rank_labels, seem.name_chances):
        with pytest.raises(InputError, match=r"With seem-focal-t use label\(image, segments\)"):
            refused(embedded, Segments.empty(embedded.size))
    with pytest.raises(InputError, match=r"for SAM models\. With seem-focal-t use embed\(image\)"):
        seem.look(embedded)
    with pytest.raises(InputError, match=r"Clips are for SAM models\. With seem-focal-t use segment\(frame"):
        seem.video("clip.mp4")
    with pytest.raises(InputError, match=r"Graphs are for SAM models\."):
        _ = seem.network
    assert (seem.cache, seem.is_cached(embedded)) == (None, False)
    with pytest.raises(InputError, match="granularity must be auto"):
        seem.segment(embedded, Point(3, 3), granularity="part")
    with pytest.raises(InputError, match="was embedded by 'mobile-sam'"):
        seem.segment(replace(embedded, model="mobile-sam"), Point(3, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "onnx"}, "runs in PyTorch only"),
        ({"precision": "int8"}, "float32 or bfloat16"),
        ({"device": "nowhere"}, "cannot be used here"),
        ({"threads": 0}, "at least 1"),
        ({"cache": "folder"}, "only"),
        ({"model": "seem-sam-vit-b", "precision": "bfloat16"}, "float32 only"),
    ],
)
def test_impossible_options(seem_weights, options, message):
    with pytest.raises(InputError, match=message):
        Segmenter(**{"model": "seem-focal-t", "weights": seem_weights, **options})


def test_class_banks_are_kept(seem, tmp_path, monkeypatch):
    from promptseg.segment.seem.classes import ClassBanks
    from promptseg.vocabulary import vocabulary_of

    words = vocabulary_of(CLASSES)
    bank = seem._engine.banks.bank(words)
    np.testing.assert_allclose(np.linalg.norm(bank, axis=1), 1, atol=1e-5)
    folder = tmp_path / "classes"
    monkeypatch.setattr(type(seem.runtime), "class_bank", lambda *_: bank)
    ClassBanks(seem.runtime, folder).bank(words)
    monkeypatch.setattr(type(seem.runtime), "class_bank", lambda *_: pytest.fail("made anew"))
    np.testing.assert_array_equal(ClassBanks(seem.runtime, folder).bank(words), bank)
    monkeypatch.setattr(type(seem.runtime), "class_bank", lambda *_: bank)
    (file,) = folder.iterdir()
    file.write_bytes(b"damaged")
    np.testing.assert_array_equal(ClassBanks(seem.runtime, folder).bank(words), bank)
    assert file.stat().st_size > 6000, "a damaged file is replaced"
