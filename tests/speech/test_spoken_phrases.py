"""What is said around the name of a thing is taken off; the name itself never is."""

import pytest

from promptseg.errors import PromptError
from promptseg.segment.words.phrases.read import read_phrase
from promptseg.speech.phrase import phrase_of

ENGLISH = {
    "Please segment the dog on the left.": "the dog on the left",
    "segment the dog on the left please": "the dog on the left",
    "The dog.": "the dog",
    "Dog": "dog",
    "A red umbrella!": "a red umbrella",
    "Could you please cut out the cat for me?": "the cat",
    "Cut the cat out, please.": "the cat",
    "Can you find all the bottles?": "all the bottles",
    "I would like to select the second cup from the left.": "the second cup from the left",
    "I'd like the largest car": "the largest car",
    "Um, show me the bus.": "the bus",
    "Okay, highlight two dogs.": "two dogs",
    "Hey, where is the remote?": "the remote",
    "Where are the chairs?": "the chairs",
    "Let's mark the giraffe in the background.": "the giraffe in the background",
    "Now the tie, please.": "the tie",
    "Select everything blue": "everything blue",
    "Mask the sky out": "the sky",
    "Mask out the sky": "the sky",
    "The mask on the left": "the mask on the left",
    "Mask": "mask",
    "A cutting board": "a cutting board",
    "Cut flowers": "cut flowers",
    "Please cut flowers": "flowers",
    "Show dogs": "show dogs",
    "Please show dogs": "dogs",
    "Find the traffic light": "the traffic light",
    "Draw a mask around the hot dog": "the hot dog",
    "Give me a mask of the teddy bear.": "the teddy bear",
    "The cat, no wait, the dog.": "the dog",
    "Select the cup, I mean the bowl": "the bowl",
    "Cut out the man in black from the background": "the man in black",
    "Extract the person on the right from the picture, thank you very much.": "the person on the right",
    "The dog on the left. The dog on the left.": "the dog on the left",
    "Segment the zebra. Thank you.": "the zebra",
    "Umbrella, umbrella": "umbrella",
    "Please segment, the parking meter.": "the parking meter",
    "TV TV TV": "tv",
    "What I want is the leftmost boat": "the leftmost boat",
    "Pick the ripe banana": "the ripe banana",
    "Pick out the ripe banana": "the ripe banana",
    "stop sign": "stop sign",
    "okay, so, uh, the skis": "the skis",
    "Would you kindly locate the fire hydrant if you can?": "the fire hydrant",
    "Get me the wine glass, please, now": "the wine glass",
    "The couch for two": "the couch for two",
    "isolate the orange one": "the orange one",
    "I see a bird": "a bird",
    "It's a toaster.": "a toaster",
}
JAPANESE = {
    "犬を切り抜いてください。": "犬",
    "犬": "犬",
    "左の赤い車を選択してください": "左の赤い車",
    "左から二番目の人を選んで": "左から二番目の人",
    "えーっと、一番大きい犬をお願いします。": "一番大きい犬",
    "猫はどこですか？": "猫",
    "傘を見つけて": "傘",
    "写真から犬を切り抜いてください": "犬",
    "犬を写真から切り抜いて": "犬",
    "犬だけを切り抜いてください": "犬",
    "犬を二匹選んでください": "犬二匹",
    "瓶を全部選んでください": "瓶全部",
    "すみません、手前の人を囲んでもらえますか？": "手前の人",
    "白黒の猫を抽出して": "白黒の猫",
    "バスを選択": "バス",
    "椅子を検出してほしい": "椅子",
    "猫じゃなくて犬を切り抜いて": "犬",
    "赤い傘です。": "赤い傘",
    "キリンを切り抜いて。ありがとうございます。": "キリン",
    "ケーキがほしい": "ケーキ",
    "右の ボトル を 見せて ください": "右のボトル",
    "マスクをした人": "マスクをした人",
    "赤いマスク": "赤いマスク",
    "赤いマスクを選択してください": "赤いマスク",
    "いぬをきりぬいてください": "いぬ",
    "信号を切り抜きたいです": "信号",
}


@pytest.mark.parametrize(("said", "meant"), [*ENGLISH.items(), *JAPANESE.items()])
def test_what_is_meant(said: str, meant: str) -> None:
    assert phrase_of(said) == meant
    assert phrase_of(meant) == meant


def test_enough_sentences_of_both_languages() -> None:
    assert len(ENGLISH) + len(JAPANESE) >= 60
    assert len(JAPANESE) >= 20


@pytest.mark.parametrize("said", ["Please.", "Thank you.", "Um, okay.", "お願いします", "...", "ください。", "♪"])
def test_nothing_is_named(said: str) -> None:
    with pytest.raises(PromptError, match="names nothing"):
        phrase_of(said)


@pytest.mark.parametrize("said", ["Segment the dog. Segment the cat.", "犬を選んで。猫を選んで。"])
def test_several_things_are_no_phrase(said: str) -> None:
    with pytest.raises(PromptError, match="one recording"):
        phrase_of(said)


def test_the_reader_understands_what_is_left() -> None:
    assert read_phrase(phrase_of("Please segment the dog on the left.")) == read_phrase("the dog on the left")
    assert read_phrase(phrase_of("犬を二匹選んでください")).number == 2
    assert read_phrase(phrase_of("瓶を全部選んでください")).plural
    assert read_phrase(phrase_of("左から二番目の人を選んで")).noun == read_phrase("人").noun
