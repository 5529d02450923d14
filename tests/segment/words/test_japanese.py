"""Japanese phrases: names of every class, colours, places, numbers; without a model."""

import pytest
from test_phrases import told

from promptseg.errors import PromptError
from promptseg.segment.words.phrases.lexicon import fold, lexicon
from promptseg.segment.words.phrases.read import english, read_phrase
from promptseg.segment.words.phrases.spoken import SPOKEN
from promptseg.segment.words.rivals import rivals, thing_of
from promptseg.vocabulary import COCO_THINGS

THINGS = [
    "人", "自転車", "車", "バイク", "飛行機", "バス", "電車", "トラック",
    "船", "信号機", "消火栓", "一時停止標識", "パーキングメーター", "ベンチ", "鳥", "猫",
    "犬", "馬", "羊", "牛", "象", "熊", "シマウマ", "キリン",
    "リュックサック", "傘", "ハンドバッグ", "ネクタイ", "スーツケース", "フリスビー", "スキー", "スノーボード",
    "ボール", "凧", "野球のバット", "野球のグローブ", "スケートボード", "サーフボード", "テニスラケット", "瓶",
    "ワイングラス", "カップ", "フォーク", "ナイフ", "スプーン", "ボウル", "バナナ", "りんご",
    "サンドイッチ", "オレンジ", "ブロッコリー", "にんじん", "ホットドッグ", "ピザ", "ドーナツ", "ケーキ",
    "椅子", "ソファ", "鉢植え", "ベッド", "食卓", "トイレ", "テレビ", "ノートパソコン",
    "マウス", "リモコン", "キーボード", "携帯電話", "電子レンジ", "オーブン", "トースター", "流し台",
    "冷蔵庫", "本", "時計", "花瓶", "はさみ", "テディベア", "ドライヤー", "歯ブラシ",
]  # fmt: skip
"""What a Japanese would call COCO's 80 classes, in their order."""


@pytest.mark.parametrize(("name", "thing"), list(zip(THINGS, COCO_THINGS, strict=True)))
def test_every_class_has_its_japanese_name(name, thing):
    assert read_phrase(name).noun == thing
    assert COCO_THINGS[thing_of(name)] == thing
    assert rivals(name) == rivals(thing)


@pytest.mark.parametrize("name", list(SPOKEN))
def test_every_form_of_the_own_list_is_known(name):
    for form in SPOKEN[name].split():
        assert english(form) in SPOKEN, form


PHRASES = {
    "いぬ": "dog", "イヌ": "dog", "ｲﾇ": "dog", "ソファー": "couch", "コンピュータ": "computer", "Ｔシャツ": "t-shirt",
    "お皿": "plate", "お城": "castle", "オレンジジュース": "orange juice", "熊のぬいぐるみ": "teddy bear",
    "赤い車": "car, red", "赤の車": "car, red", "真っ赤な車": "car, red", "あかいくるま": "car, red",
    "茶色い犬": "dog, brown", "茶色の犬": "dog, brown",
    "黄色いピーマン": "pepper, yellow", "オレンジの車": "car, orange",
    "オレンジ色の猫": "cat, orange", "濃い青の車": "car, dark blue", "水色のシャツ": "shirt, cyan",
    "白黒の猫": "cat, white&black", "赤と白のシャツ": "shirt, red&white", "赤いもの": "*, red", "赤いの": "*, red",
    "赤い服を着た人": "person, red", "緑の木": "tree, green", "青空": "sky", "青い空": "sky, blue", "緑": "*, green",
    "左の犬": "dog, left", "左側の犬": "dog, left", "左端の犬": "dog, left!", "一番左の犬": "dog, left!",
    "右から二番目の人": "person, right2!", "左から３番目の椅子": "chair, left3!", "左から二匹目の羊": "sheep, left2!",
    "真ん中の猫": "cat, middle", "中央の花瓶": "vase, centre", "左上の時計": "clock, top left",
    "右下のカップ": "cup, bottom right", "手前の人": "person, near", "奥の車": "car, far", "背景の人": "person, far",
    "一番近い車": "car, near!", "画像の左の犬": "dog, left", "最後の車": "car, right!",
    "一番大きい犬": "dog, large!", "最大の犬": "dog, large!", "二番目に大きい犬": "dog, large2!",
    "小さな猫": "cat, small", "背の高い男": "man, tall",
    "二匹の犬": "dog, x2, several", "犬二匹": "dog, x2, several", "犬２匹": "dog, x2, several",
    "二人の男の子": "boy, x2, several", "両方の犬": "dog, x2, several", "犬たち": "dog, several",
    "すべての犬": "dog, several", "左の赤い車": "car, red, left", "左の黒い犬二匹": "dog, black, left, x2, several",
    "車の車輪": "car wheel", "机の上のカップ": "cup on the dining table", "ワンピースの女性": "woman in dress",
    "パンダ": "panda", "ヘリコプター": "helicopter", "横断歩道": "pedestrian crossing", "イチゴ": "strawberry",
}  # fmt: skip


@pytest.mark.parametrize(("phrase", "meant"), list(PHRASES.items()))
def test_what_a_japanese_phrase_asks_for(phrase, meant):
    assert told(read_phrase(phrase)) == meant
    assert read_phrase(phrase).text == phrase


@pytest.mark.parametrize("phrase", ["犬以外", "赤くない車", "犬じゃない", "帽子なしの人", "帽子のない人"])
def test_what_shall_not_be_there_is_refused_in_japanese(phrase):
    with pytest.raises(PromptError, match="cannot be said in words"):
        read_phrase(phrase)


def test_places_to_one_another_are_refused_in_japanese():
    with pytest.raises(PromptError, match="to one another"):
        read_phrase("犬の左の猫")


@pytest.mark.parametrize(("phrase", "word"), [("ホゲホゲ", "ほげほげ"), ("赤いホゲホゲ", "ほげほげ"), ("政治", "政治")])
def test_an_unknown_word_is_named(phrase, word):
    with pytest.raises(PromptError, match=rf"unknown word: {word}.*English"):
        read_phrase(phrase)


def test_folding_removes_differences_of_writing():
    assert fold("ｿﾌｧ ｰ") == fold("ソファー") == "そふぁー"
    assert fold("ヴァイオリン") == fold("バイオリン")


def test_english_names_stay():
    assert english("a red panda") == "a red panda"
    assert len(lexicon()) > 20_000
