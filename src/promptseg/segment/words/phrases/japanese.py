"""Japanese phrases, cut into known words: fewest first, so that long ones win. No tokenizer is needed.

Words of grammar (colours, places, sizes, numbers, particles) stand here; nouns stand in the lexicon.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from promptseg.errors import PromptError, shorten
from promptseg.segment.words.phrases.lexicon import fold, lexicon, longest
from promptseg.segment.words.phrases.names import GARMENTS, is_known
from promptseg.segment.words.phrases.phrase import OPPOSITE, Colour, ColourName, Order, Phrase, Selector, Shade

_JAPANESE = re.compile("[\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f々〆]")

_COLOURS: dict[str, tuple[ColourName, Shade | None]] = {
    "赤 あか 真っ赤 まっか 朱 紅 レッド": ("red", None),
    "橙 だいだい オレンジ": ("orange", None),
    "黄 黄色 きいろ イエロー 金 金色 きんいろ ゴールド": ("yellow", None),
    "緑 みどり グリーン": ("green", None),
    "黄緑 きみどり": ("green", "light"),
    "青緑 水色 みずいろ ターコイズ": ("cyan", None),
    "青 あお 真っ青 まっさお ブルー": ("blue", None),
    "空色 そらいろ": ("blue", "light"),
    "紺 こん ネイビー 藍": ("blue", "dark"),
    "紫 むらさき パープル": ("purple", None),
    "桃 ピンク": ("pink", None),
    "茶 茶色 ちゃいろ ブラウン": ("brown", None),
    "ベージュ 肌": ("beige", None),
    "白 しろ 真っ白 まっしろ ホワイト": ("white", None),
    "灰 はいいろ グレー 鼠 ねずみ 銀 シルバー": ("grey", None),
    "黒 くろ 真っ黒 まっくろ ブラック": ("black", None),
}
_ONLY_WITH_ENDING = {
    "桃",
    "肌",
    "灰",
    "鼠",
    "ねずみ",
    "茶",
    "あか",
    "あお",
    "しろ",
    "くろ",
    "こん",
    "黄",
    "藍",
    "朱",
    "紅",
}
"""These alone are other words, or none."""
_SIDES: dict[str, Order] = {
    "左 ひだり 左側 左手 左の方 左の側 左端の方": "left",
    "右 みぎ 右側 右手 右の方 右の側": "right",
    "上 うえ 上側 上の方 上部 上段": "top",
    "下 した 下側 下の方 下部 下段": "bottom",
    "左上 左上の隅 左上隅 左上の角 左の上": "top left",
    "右上 右上の隅 右上隅 右上の角 右の上": "top right",
    "左下 左下の隅 左下隅 左下の角 左の下": "bottom left",
    "右下 右下の隅 右下隅 右下の角 右の下": "bottom right",
    "真ん中 まんなか まん中 真中": "middle",
    "中央 中心 ちゅうおう センター": "centre",
    "手前 てまえ 手前側 前景 近く 近い 近くの方 前 前方 前の方": "near",
    "奥 おく 奥の方 奥側 背景 遠く 遠い 遠くの方 後ろ うしろ 後方 後ろの方": "far",
}
_UTMOST: dict[str, Order] = {
    "左端 ひだりはし 左隅": "left",
    "右端 みぎはし 右隅": "right",
    "上端 てっぺん 最上段": "top",
    "下端 最下段": "bottom",
    "最前 最前列 先頭": "near",
    "最後列 最奥": "far",
    "最大": "large",
    "最小": "small",
}
_SIZES: dict[str, Order] = {
    "大きい 大きな おおきい おおきな でかい 大型 巨大": "large",
    "小さい 小さな ちいさい ちいさな 小型": "small",
    "背の高い 背が高い 高い のっぽ": "tall",
    "背の低い 背が低い 低い": "short",
    "幅の広い 幅広い 広い 太い 長い": "wide",
    "幅の狭い 狭い 細い": "narrow",
}
_SHADES: dict[str, Shade] = {
    "濃い こい 暗い くらい 暗 ダーク": "dark",
    "薄い うすい 淡い 明るい あかるい ライト": "light",
}
_DIGITS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_COUNTED = {"ひとつ": 1, "ふたつ": 2, "みっつ": 3, "よっつ": 4, "いつつ": 5, "ひとり": 1, "ふたり": 2}
_NUMBER = r"(\d{1,2}|[一二三四五六七八九十])"
_COUNTERS = "匹|頭|羽|人|名|台|個|つ|本|枚|冊|杯|隻|艘|機|足|着|軒|脚|膳|両|体|皿|箱|ひき|びき|ぴき|だい|にん"
_NUMBERED = re.compile(rf"{_NUMBER}(?:番目|つ目|{_COUNTERS})")
_ORDINAL = re.compile(rf"{_NUMBER}(?:番目|つ目|番め|ばんめ|(?:{_COUNTERS})目)")
_FROM = re.compile("(左|ひだり|右|みぎ|上|うえ|下|した|手前|てまえ|前|奥|後ろ)(?:側|端|の方)?から")
_JOINTS = (
    "の な に で が を は と や も ・ 、 。 , . にいる にある にいるの にあった いる ある している "
    "色 色の に見える に写っている "
    "にうつっている 写真 画像 画面 絵の中 写真の 画像の 画面の を着た を着ている 着た "
    "服を着た 服を着ている 服 の服"
)
_SEVERAL = "たち 達 ら 々 複数 いくつか 何匹か 数匹"
_EVERY = "すべて 全て 全部 みんな 皆 ぜんぶ あらゆる 各 全員"
_OPEN = "もの 物 やつ 奴 ほう 方 物体 それ これ 何か"
_MATERIALS = {
    "木製": "wooden",
    "ガラス": "glass",
    "金属": "metal",
    "革": "leather",
    "石": "stone",
    "プラスチック": "plastic",
}
_NEGATION = re.compile(
    "以外|くな[いく]|じゃな[いく]|ではな[いく]|でな[いく]|[のが]な[いし]|[のが]無[いし]|(?<=.)な[し](?=の)|無しの|を?除[くい]"
)
_UNKNOWN_COST, _NOUN_COST, _KANA_COST = 100.0, 1.0, 0.5

Kind: TypeAlias = Literal[
    "colour", "shade", "side", "utmost", "size", "most", "from", "ordinal", "number", "several", "every", "both",
    "definite", "open", "joint", "inside", "noun", "material", "unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """A known word of a phrase.

    Attributes:
        kind: what it does.
        text: the word, folded.
        value: what it stands for.
    """

    kind: Kind
    text: str
    value: object = None


def is_japanese(text: str) -> bool:
    """Returns whether a text holds Japanese signs."""
    return bool(_JAPANESE.search(text))


def noun_of(text: str) -> str:
    """Returns a Japanese name in English.

    Raises:
        PromptError: it is unknown.
    """
    return _looked_up(fold(text)) or read_japanese(text).noun or text


def name_in_japanese(text: str) -> str:
    """Returns how a Japanese phrase names what it asks for: "カップ" of "赤いカップ"; all of it, where it names nothing.

    Raises:
        PromptError: it is not understood.
    """
    if _looked_up(fold(text)):
        return text.strip()
    if not read_japanese(text).noun:
        return text.strip()
    last: list[Token] = []
    for token in reversed(cut(fold(text))):
        head = token.kind in ("noun", "material") and not (last and token.value == "orange")
        if head or (last and token.text in ("の", "と", "や")):
            last.insert(0, token)
        elif last:
            break
    if last[0].kind == "joint":
        del last[0]
    named = "".join(token.text for token in last)
    parts = (text[start:stop] for start in range(len(text)) for stop in range(start + 1, len(text) + 1))
    return next((part.strip() for part in parts if fold(part) == named), named)


def read_japanese(text: str) -> Phrase:
    """Reads a Japanese phrase.

    Raises:
        PromptError: a word is unknown, it says what shall not be there, or asks for a relation between things.
    """
    folded = fold(text).strip("「」『』。、!?.,")
    whole = _looked_up(folded)
    if whole is not None and (folded not in _grammar() or is_known(whole)):
        return Phrase(text, whole)
    negation = _NEGATION.search(folded)
    if negation:
        raise PromptError(
            f'What shall not be there ("{negation[0]}" in {shorten(text)}) cannot be said in words. Name what is '
            "meant, and put a negative click or box on what is not (--not X,Y or --not-box)."
        )
    tokens = cut(folded)
    unknown = [token.text for token in tokens if token.kind == "unknown"]
    if unknown:
        raise PromptError(
            f"The Japanese phrase {shorten(text)} has an unknown word: {', '.join(unknown)}. Known are common names of "
            "things that can be seen, colours, places, sizes and numbers; try a more common word, its kanji instead "
            "of kana, or English."
        )
    return _understood(text, tokens)


def cut(folded: str) -> list[Token]:
    """Cuts a folded text into known words; what is unknown is joined to one token."""
    best: list[tuple[float, list[Token]]] = [(0.0, [])]
    for end in range(1, len(folded) + 1):
        options = [(best[end - 1][0] + _UNKNOWN_COST, [*best[end - 1][1], Token("unknown", folded[end - 1])])]
        for start in range(max(0, end - max(longest(), 10)), end):
            cost, before = best[start]
            options.extend((cost + price, [*before, token]) for price, token in _words(folded[start:end]))
        best.append(min(options, key=lambda option: option[0]))
    tokens: list[Token] = []
    for token in best[-1][1]:
        if token.kind == "unknown" and tokens and tokens[-1].kind == "unknown":
            tokens[-1] = Token("unknown", tokens[-1].text + token.text)
        else:
            tokens.append(token)
    return tokens


def _words(word: str) -> list[tuple[float, Token]]:
    """Returns what a word can be, and how readily."""
    found: list[tuple[float, Token]] = []
    if word in _grammar():
        token = _grammar()[word]
        # a particle costs little, so that it is not taken for the end of a noun
        found.append((0.4 if token.kind == "joint" else 0.8, token))
    if match := _ORDINAL.fullmatch(word):
        found.append((0.7, Token("ordinal", word, _numeral(match[1]))))
    elif match := _NUMBERED.fullmatch(word):
        found.append((0.7, Token("number", word, _numeral(match[1]))))
    if match := _FROM.fullmatch(word):
        found.append((0.7, Token("from", word, _grammar()[fold(match[1])].value)))
    noun = _looked_up(word)
    if noun is not None and not (len(word) < 2 and word not in lexicon()):
        kana = all("\u3041" <= sign <= "\u3096" or sign == "ー" for sign in word) and len(word) < 3
        found.append((_NOUN_COST + _KANA_COST * kana, Token("noun", word, noun)))
    return found


def _looked_up(word: str) -> str | None:
    """Returns the English noun of a folded word, also with a polite "o" before it and without a long end."""
    names = (word, word.removesuffix("ー"), re.sub("^[おご御](?=..|[\u3400-\u9fff])", "", word))
    return next((lexicon()[name] for name in names if name in lexicon()), None)


@cache
def _grammar() -> dict[str, Token]:
    words: dict[str, Token] = {}

    def add(kind: Kind, forms: str, value: object = None) -> None:
        for form in forms.split():
            words[fold(form)] = Token(kind, fold(form), value)

    for names, (name, shade) in _COLOURS.items():
        for base in names.split():
            bare = base not in _ONLY_WITH_ENDING
            for ending in ("", "い", "色", "色い", "っぽい", "いろ", "いろい"):
                if ending or bare:
                    add("colour", base + ending, (Colour(name, shade),))
    add("colour", "白黒 黒白 しろくろ モノクロ", (Colour("white"), Colour("black")))
    add("colour", "紅白", (Colour("red"), Colour("white")))
    for table, kind in ((_SIDES, "side"), (_UTMOST, "utmost"), (_SIZES, "size")):
        for names, order in table.items():
            add("side" if kind == "side" else "utmost" if kind == "utmost" else "size", names, order)
    for names, dark in _SHADES.items():
        add("shade", names, dark)
    for name, number in _COUNTED.items():
        add("number", name, number)
    add("most", "一番 いちばん 最も もっとも 1番")
    add("ordinal", "最初 はじめ", 1)
    add("ordinal", "最後", -1)
    add("several", _SEVERAL)
    add("every", _EVERY)
    add("both", "両方 両方とも 二つとも 両者", 2)
    add("definite", "その この あの そっち")
    add("open", _OPEN)
    add("joint", _JOINTS)
    add("inside", "中 なか")
    for name, english in _MATERIALS.items():
        add("material", name + "の", english)
    return words


def _numeral(text: str) -> int:
    return _DIGITS[text] if text in _DIGITS else int(text)


def _understood(text: str, tokens: list[Token]) -> Phrase:
    """Makes the phrase of its words."""
    tokens = _related(text, tokens)
    colours: list[Colour] = []
    selectors: list[Selector] = []
    names: list[str] = []
    number: int | None = None
    several = definite = most = either = False
    side: Order | None = None
    place: int | None = None
    shade: Shade | None = None
    nouns = [position for position, token in enumerate(tokens) if token.kind == "noun"]
    for position, token in enumerate(tokens):
        value = token.value
        if token.kind == "colour" and isinstance(value, tuple):
            colours += [Colour(colour.name, shade or colour.shade) for colour in value]
            shade = None
        elif token.kind == "shade":
            shade = "dark" if value == "dark" else "light"
        elif token.kind == "noun":
            if value == "orange" and position != nouns[-1]:
                colours.append(Colour("orange"))
            else:
                names.append(str(value))
        elif token.kind == "material":
            names.append(str(value))
        elif token.kind in ("side", "utmost", "size"):
            order: Order = value  # type: ignore[assignment]
            selectors.append(Selector(order, place or 1, most or token.kind == "utmost" or place is not None))
            most, place = False, None
        elif token.kind == "from":
            side = value  # type: ignore[assignment]
        elif token.kind == "ordinal" and isinstance(value, int):
            if side is None and any(later.kind in ("size", "side") for later in tokens[position + 1 :]) and value > 0:
                place = value  # "二番目に大きい"
            else:
                selectors.append(_ordinal(side or "left", value))
            side = None
        elif token.kind in ("number", "both") and isinstance(value, int):
            number = value
        elif token.kind in ("several", "every"):
            several = True
        elif token.kind == "definite":
            definite = True
        elif token.kind == "most":
            most = True
        elif token.text == "や":
            either = True
    if side is not None:
        selectors.append(Selector(side))
    if shade is not None:
        colours.append(Colour(None, shade))
    if not (names or colours or selectors or number):
        raise PromptError(f"The Japanese phrase {shorten(text)} names no thing. Say which one, or click on it.")
    noun = _joined(names)
    plural = several or bool(number and number > 1)
    return Phrase(text, noun, tuple(colours), either, tuple(selectors), number, plural, definite)


def _joined(names: list[str]) -> str | None:
    """Returns several nouns as one: "car wheel", but "woman in dress"."""
    if len(names) == 2 and names[0] in GARMENTS.split(", "):
        return f"{names[1]} in {names[0]}"
    return " ".join(names) or None


def _ordinal(side: Order, place: int) -> Selector:
    return Selector(side, place, most=True) if place > 0 else Selector(OPPOSITE[side], most=True)


def _related(text: str, tokens: list[Token]) -> list[Token]:
    """Joins "the cup on the table" ("机の上のカップ") to one noun, and refuses other relations between things."""
    for position in range(len(tokens) - 4):
        noun, of, where, of_too, other = tokens[position : position + 5]
        if noun.kind == other.kind == "noun" and of.text == of_too.text == "の" and where.kind in ("side", "inside"):
            if where.text not in ("上", "うえ", "中", "なか"):
                raise PromptError(
                    f"Places of things to one another ({shorten(text)}) are not understood. Say where it is in the "
                    'picture ("左から二番目の犬"), or add a click or a box.'
                )
            words = f"{other.value} {'on' if where.value == 'top' else 'in'} the {noun.value}"
            return [*tokens[:position], Token("noun", other.text, words), *tokens[position + 5 :]]
    return tokens
