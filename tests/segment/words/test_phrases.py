"""What phrases ask for, in English: a table, without a model."""

import pytest

from promptseg.errors import PromptError
from promptseg.segment.words.phrases.phrase import Phrase
from promptseg.segment.words.phrases.read import name_in, read_phrase


def told(phrase: Phrase) -> str:
    """Returns a phrase in one line: noun, colours, places and sizes, number, several."""
    shades = [" ".join(filter(None, (colour.shade, colour.name))) for colour in phrase.colours]
    parts = [phrase.noun or "*", ("|" if phrase.either else "&").join(shades)]
    parts += [f"{one.by}{one.place if one.place > 1 else ''}{'!' if one.most else ''}" for one in phrase.selectors]
    parts += [f"x{phrase.number}" if phrase.number else "", "several" if phrase.plural else ""]
    return ", ".join(part for part in parts if part)


ENGLISH = {
    "dog": "dog", "a dog": "a dog", "the dog": "the dog", "dogs": "dog, several", "the dogs": "dog, several",
    "two dogs": "dog, x2, several", "2 dogs": "dog, x2, several", "both dogs": "dog, x2, several",
    "a pair of shoes": "shoes, x2, several", "all dogs": "dog, several", "every dog": "dog, several",
    "all of the dogs": "dog, several", "one of the dogs": "dog, x1", "one dog": "dog, x1", "a single dog": "dog, x1",
    "three large red apples": "apple, red, large, x3, several", "people": "people, several",
    "two men": "man, x2, several", "boys": "boy, several", "knives": "knife, several", "scissors": "scissors",
    # a known name is taken as it stands
    "orange": "orange", "an orange": "an orange", "oranges": "orange, several", "hot dog": "hot dog",
    "two hot dogs": "hot dog, x2, several", "traffic light": "traffic light", "red traffic light": "traffic light, red",
    "polar bear": "polar bear", "red panda": "red panda", "white wine": "white wine", "light": "light", "top": "top",
    "the red top": "top, red", "light bulb": "light bulb", "orange juice": "orange juice", "top hat": "top hat",
    "stop sign": "stop sign", "no parking sign": "no parking sign", "the background": "the background",
    "front wheel": "front wheel", "a man with a hat": "a man with a hat", "tennis racket": "tennis racket",
    "cup on top of the table": "cup on top of the table", "dog in front of the car": "dog in front of the car",
    # colours
    "a red umbrella": "umbrella, red", "the red peg": "peg, red", "a yellow pepper": "pepper, yellow",
    "the red one": "*, red", "red": "*, red", "the orange one": "*, orange", "orange cat": "cat, orange",
    "the orange orange": "orange, orange", "dark blue car": "car, dark blue", "light green shirt": "shirt, light green",
    "navy blue suit": "suit, dark blue", "bright red car": "car, red", "the dark dog": "dog, dark",
    "the dark one": "*, dark", "the light one": "*, light", "grey cat": "cat, grey", "gray cat": "cat, grey",
    "silver car": "car, grey", "red and white shirt": "shirt, red&white", "red or blue car": "car, red|blue",
    "black and white cat": "cat, black&white", "the man in black": "man, black", "the car that is red": "car, red",
    "the person in red": "person, red", "something red": "*, red", "everything blue": "*, blue, several",
    "a red-coloured car": "a red-coloured car", "red coloured car": "car, red", "red cars": "car, red, several",
    # places
    "the boy on the left": "boy, left", "boy on left": "boy, left", "left dog": "dog, left", "dog left": "dog, left",
    "the right one": "*, right", "the leftmost boy": "boy, left!", "the left-most boy": "boy, left!",
    "the one on the far right": "*, right!", "the dog on the left side of the picture": "dog, left",
    "the dog on the right-hand side": "dog, right", "the dog at the top": "dog, top",
    "the dog at the bottom of the image": "dog, bottom", "top left dog": "dog, top left",
    "the dog in the top right corner": "dog, top right", "upper left window": "window, top left",
    "man in the middle": "man, middle", "the middle one": "*, middle", "the bench in the center": "bench, centre",
    "the second dog from the left": "dog, left2!", "second from right": "*, right2!",
    "the second from the right": "*, right2!", "third person from left": "person, left3!",
    "2nd car from the right": "car, right2!", "the first car": "car, left!", "the last car": "car, right!",
    "the last dog on the right": "dog, right!", "the two dogs on the left": "dog, left, x2, several",
    "the two on the left": "*, left, x2, several", "the leftmost thing": "*, left!",
    "the person in the background": "person, far", "people in the foreground": "people, near, several",
    "nearest car": "car, near!", "the car closest to the camera": "car, near!", "the farthest person": "person, far!",
    "the front car": "car, near", "wine glass on the right": "wine glass, right",
    # sizes
    "largest dog": "dog, large!", "the biggest one": "*, large!", "the second largest dog": "dog, large2!",
    "a small dog": "dog, small", "big dogs": "dog, large, several", "tallest building": "building, tall!",
    "the large brown dog on the right": "dog, brown, right, large", "the thing": "the thing", "object": "object",
}  # fmt: skip


@pytest.mark.parametrize(("phrase", "meant"), list(ENGLISH.items()))
def test_what_a_phrase_asks_for(phrase, meant):
    assert told(read_phrase(phrase)) == meant


@pytest.mark.parametrize(("written", "plain"), [("  The RED   One. ", "the red one"), ("Two Dogs!", "two dogs")])
def test_case_spaces_and_signs_do_not_matter(written, plain):
    assert told(read_phrase(written)) == told(read_phrase(plain))


def test_articles_say_how_many_are_meant():
    assert read_phrase("the red car").definite
    assert not read_phrase("a red car").definite
    assert read_phrase("a red car").indefinite
    assert read_phrase("that car on the left").definite


@pytest.mark.parametrize(
    "phrase",
    [
        *("not the dog", "dogs without collars", "everything except the cat", "no dogs", "all but the red one"),
        *("a cat that is not black", "non-red cars", "cars other than the red one", "a dog that isn't brown"),
    ],
)
def test_what_shall_not_be_there_is_refused(phrase):
    with pytest.raises(PromptError, match=r"cannot be said in words.*negative click"):
        read_phrase(phrase)


@pytest.mark.parametrize(
    "phrase",
    [
        *("the cat to the left of the dog", "the dog nearest to the ball", "the left side of the car"),
        *("the chair between the tables", "cup right of the plate"),
    ],
)
def test_places_of_things_to_one_another_are_refused(phrase):
    with pytest.raises(PromptError, match="to one another"):
        read_phrase(phrase)


@pytest.mark.parametrize("phrase", ["собака", "개", "🐶", "???"])
def test_other_scripts_are_refused(phrase):
    with pytest.raises(PromptError, match="English or Japanese"):
        read_phrase(phrase)


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("a cat", "cat"),
        ("The Cat", "cat"),
        ("two dogs on the left", "dog"),
        ("a red umbrella", "umbrella"),
        ("the man in black", "man"),
        ("a blorg", "blorg"),
        ("traffic lights", "traffic light"),
        ("scissors", "scissors"),
        ("the red one", "the red one"),
        ("a dog  without a tail", "a dog without a tail"),
        ("ネコ", "ネコ"),
        ("赤いカップ", "カップ"),
        ("その猫", "猫"),
        ("木の椅子", "木の椅子"),
        ("オレンジの椅子", "椅子"),
        ("机の上のカップ", "カップ"),
        ("黒い服の男", "男"),
        ("猫を全部", "猫"),
        ("赤いもの", "赤いもの"),
        ("猫以外", "猫以外"),
    ],
)
def test_what_a_phrase_names_in_its_own_language(phrase, name):
    assert name_in(phrase) == name
