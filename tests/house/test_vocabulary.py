"""Class names, their numbers and sentences are those that the official checkpoints were trained with."""

import hashlib

import pytest

from promptseg.errors import InputError
from promptseg.models.seem.templates import TEMPLATES, sentences
from promptseg.vocabulary import COCO_PANOPTIC, Vocabulary, plain_name


def digest(lines):
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def test_coco():
    assert len(COCO_PANOPTIC) == 133
    assert sum(COCO_PANOPTIC.things) == 80
    assert COCO_PANOPTIC.things == (True,) * 80 + (False,) * 53
    assert digest(COCO_PANOPTIC.names) == "a670bc7c1167e453"
    known = dict(zip(COCO_PANOPTIC.names, COCO_PANOPTIC.ids, strict=True))
    places = {"person": 1, "stop sign": 13, "umbrella": 28, "dining table": 67, "toothbrush": 90, "banner": 92}
    places |= {"door-stuff": 112, "roof": 151, "window-other": 181, "tree-merged": 184, "rug-merged": 200}
    assert {name: known[name] for name in places} == places
    assert sorted(known.values()) == list(COCO_PANOPTIC.ids)


def test_names_are_cleaned():
    assert plain_name("sky-other-merged") == "sky"
    assert plain_name("door-stuff") == "door"
    assert plain_name("floor-wood") == "floor-wood"
    assert plain_name("traffic light") == "traffic light"
    assert len(set(COCO_PANOPTIC.labels)) == 133
    assert COCO_PANOPTIC.bank_names[-1] == "background"
    assert len(COCO_PANOPTIC.bank_names) == 134


def test_templates():
    assert len(TEMPLATES) == 81
    assert len(set(TEMPLATES)) == 81
    assert all(template.count("{}") == 1 and template.endswith(".") for template in TEMPLATES)
    assert digest(TEMPLATES) == "11d594d8b366ccc0"
    assert sentences("wall-other-merged")[:3] == ("wall.", "a photo of a wall.", "a bad photo of a wall.")


def test_own_vocabularies():
    mine = Vocabulary.of(["red umbrella", "dog"], stuff=["sand"])
    assert mine.things == (True, True, False)
    assert mine.ids == (1, 2, 3)
    assert mine.bank_names == ("red umbrella", "dog", "sand", "background")


@pytest.mark.parametrize("names", [[], ["dog", "dog"], ["dog", " "], "dog"])
def test_vocabularies_that_are_none(names):
    with pytest.raises(InputError, match="vocabulary"):
        Vocabulary.of(names)


def test_fields_must_fit():
    with pytest.raises(InputError, match="1 marks"):
        Vocabulary(("a", "b"), (True,), (1, 2))
    with pytest.raises(InputError, match="ids"):
        Vocabulary(("a", "b"), (True, True), (1, 1))
