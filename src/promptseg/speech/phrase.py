"""What somebody says, less what is said around the name of the thing: "please segment the dog" asks for "the dog".

The rule, for both languages (docs/speech.md):

1. Sentences are cleaned one by one. One that is polite only ("Thank you.") falls away; what is said twice counts once.
2. Of a sentence that corrects itself ("the cat, I mean the dog") what comes last counts.
3. From the front, as long as something is found: sounds of thinking, greetings, polite frames, and words that ask for
   the work ("segment", "cut out", "find"). Those that are things as well ("mask", "cut") go only before an article or
   its like, or after a polite frame.
4. From the end: thanks, "for me", "from the picture", the "out" of "cut the dog out".
5. In Japanese the verb stands at the end, and what is before it, less its を, is the phrase.

What is left goes to the reader of phrases as it is: places, colours and numbers are his.
"""

import re
import unicodedata

from promptseg.errors import PromptError, shorten

_TWICE = re.compile(r"^(.{2,}?)(?:[ ,、]+\1)+$")
_JAPANESE = re.compile("[\u3041-\u30ff\u3400-\u9fff々〆]")


def phrase_of(words: str) -> str:
    """Returns what of spoken words names the thing to segment.

    Raises:
        PromptError: nothing does, or several sentences name different things.
    """
    folded = unicodedata.normalize("NFKC", words)
    clean = _japanese if _JAPANESE.search(folded) else _english
    sentences = re.split(r"[。．!?！？…♪]+|\.(?!\d)", folded)
    once = (_TWICE.sub(r"\1", clean(sentence)) for sentence in sentences)
    phrases = [phrase for phrase in dict.fromkeys(once) if phrase]
    if not phrases:
        raise PromptError(f"{shorten(words)} was understood, which names nothing. Say what to segment.")
    if len(phrases) > 1:
        raise PromptError(
            f"Several things were understood ({', '.join(map(shorten, phrases))}). Say one of them, or give one "
            "recording for each."
        )
    return phrases[0]


_ARTICLES = (
    "the|a|an|this|that|these|those|all|every|each|both|any|some|only|just|my|your|his|her|its|our|their|everything|"
    "anything|something|one|two|three|four|five|six|seven|eight|nine|ten|[0-9]+"
)
_THINKING = (
    r"(?:um+|uh+|er+m*|hm+|mm+|ah|oh|so|well|now|then|and then|next|okay|ok|all ?right|hey|hi|hello|hey there|yes|yeah)"
)
_POLITE = (
    r"(?:please|kindly|just|(?:can|could|would|will) you|(?:can|could|may) i (?:have|get|see)|would you mind|"
    r"i(?:'d| would) (?:really )?like(?: you)?(?: to)?|i(?: really)? (?:want|need)(?: you)?(?: to)?|let's|let us|"
    r"let me|"
    r"help me(?: to)?|try (?:to|and)|go ahead and|be so kind(?: as)? to|computer|sam|i am looking for|i'm looking for|"
    r"we (?:want|need)(?: to)?|what i (?:want|need) is|it's|it is|that's)"
)
_ASKING = (
    r"(?:segment(?:ing)? out|segmenting|segment|cut(?:ting)? out|select(?:ing)?|highlight(?:ing)?|outline|"
    r"find(?:ing)?(?: me)?|show(?:ing)? me|show us|pick(?:ing)? out|mask(?:ing)? out|crop(?:ping)? out|"
    r"extract(?:ing)?|detect|locate|isolate|"
    r"choose|identify|recogni[sz]e|give me|get me|give us|look for|search for|point (?:out|to|at)|"
    r"draw (?:a |an |the )?(?:mask|outline|line|border) (?:around|of|over|for)|where (?:is|are)|where's|"
    r"(?:make |create )?(?:a |the )?(?:mask|segmentation|outline|cutout|cut-out) (?:of|for)|i see|there is|there are)"
)
_ASKING_OR_THING = (
    r"(?:mask|mark|cut|crop|pick|show|trace|separate|take|grab|get|see|want|click(?: on)?|circle|paint|colour|color)"
)
_FRONT = re.compile(
    rf"^(?:{_THINKING}(?=,| |$)|(?:{_POLITE}|{_ASKING})(?=[ ,]|$)|{_ASKING_OR_THING}(?= (?:{_ARTICLES})\b))[ ,:]*"
)
_AFTER_POLITE = re.compile(rf"^{_ASKING_OR_THING}(?= [a-z])[ ,]*")
_BACK = re.compile(
    r"[ ,]*\b(?:please|thanks(?: a lot| very much)?|thank you(?: very much| so much)?|for me|for us|right now|now|"
    r"okay|ok|"
    r"would you|will you|could you|can you|if you (?:can|could|would|please)|"
    r"(?:out of|from) (?:the|this) (?:picture|image|photo|photograph|background|scene)|and nothing else|instead)$"
)
_CORRECTED = re.compile(r"^.+[ ,](?:i mean|no wait|no,? sorry|sorry|or rather|scratch that)[ ,]+(?=[a-z0-9])")
_PARTED = re.compile(r"^(?:cut|pick|mask|crop|take|point|segment)(?=\W)(?=.* out$)")


def _english(sentence: str) -> str:
    rest = " ".join(sentence.lower().replace("\u2019", "'").split()).strip(" ,;:-\"'")
    rest = _CORRECTED.sub("", rest)
    asked = False
    while True:
        before = rest
        for _ in iter(int, 1):
            shorter = _BACK.sub("", rest).strip(" ,")
            if shorter == rest:
                break
            rest = shorter
        if _PARTED.match(rest):
            rest = rest.removesuffix(" out")
        found = _FRONT.match(rest)
        if found:
            asked = asked or re.match(_POLITE, found[0]) is not None
            rest = rest[found.end() :]
        elif asked and (found := _AFTER_POLITE.match(rest)):
            rest = rest[found.end() :]
        if rest == before:
            return rest.strip(" ,;:-\"'")


_JA_FRONT = re.compile(
    "^(?:え[ーえ]*っ?と[ーね]*|あのー+、?|あの[う、]|うーん[と]?|ええ|じゃあ?、?|では、?|それでは|すみません(?:が)?|すいません(?:が)?|ちょっと|"
    "次[はに]、?|まず|はい、?|どうか|どうぞ|お願いだから|私は|今度は|"
    "(?:この|その)?(?:写真|画像|絵|背景)(?:の中)?(?:から|で)、?|、)+"
)
_JA_STEMS = (
    "切り抜い|切りぬい|きりぬい|切り取っ|切りとっ|きりとっ|切り出し|きりだし|選択し|選ん|えらん|抽出し|検出し|見つけ|みつけ|探し|さがし|捜し|"
    "示し|見せ|みせ|マークし|マスクし|囲ん|かこん|囲っ|ハイライトし|教え|おしえ|抜き出し|取り出し|とりだし|指定し|塗っ|分割し|セグメントし|"
    "セグメントし|セグメンテーションし|強調し|特定し|認識し|取っ|とっ|出し"
)
_JA_NOUNS = (
    "選択|抽出|検出|マーク|マスク|ハイライト|指定|分割|セグメント|セグメンテーション|強調|特定|認識|"
    "切り抜き|切り取り|表示"
)
_JA_PLAIN = (
    "切り抜く|切り取る|選ぶ|探す|見つける|囲む|示す|切り抜け|選べ|探せ|切り抜きたい|切り取りたい|選びたい|見つけたい|探したい|"
    "切り抜きます|切り取ります|選びます|探します"
)
_JA_ASKED = (
    "(?:て|で)(?:(?:おい|み)て)?(?:ください(?:ませんか|ますか)?|下さい(?:ませんか)?|くださる|くれ(?:る|ますか|ませんか|ない)?|ほしい|欲しい|"
    "もらえますか|もらえませんか|もらえる|もらいたい|いただけますか|いただけませんか|頂けますか|いただきたい|ちょうだい|頂戴|お願い(?:し|いたし)ます|お願い|よ)?"
)
_JA_BACK = re.compile(
    rf"(?:(?:{_JA_STEMS}){_JA_ASKED}|(?:{_JA_NOUNS})(?:する|せよ|しろ|したい|します|お願い(?:し|いたし)ます|お願い)|(?<=を)(?:{_JA_NOUNS})|{_JA_PLAIN}|"
    "(?:の|を)?お願い(?:し|いたし)ます|(?:を)?お願い|を?ください|を?下さい|をちょうだい|(?:が|を)?(?:ほしい|欲しい)|はどこ(?:に(?:ある|いる|います|あります))?|"
    "どこ|です|である|ありがとう(?:ございます)?)(?:です|の|か|ね|よ|な|んです|のです)*$"
)
_JA_FROM = re.compile("(?:を)?(?:この)?(?:写真|画像|絵|背景)(?:の中)?から$|(?:を)?(?:きれいに|綺麗に|正確に|ちゃんと)$")
_JA_CORRECTED = re.compile("^.+(?:じゃなくて|ではなくて|ではなく|じゃなく|いや)、?(?=.)")
_JA_COUNTED = (
    "すべて|全て|全部|ぜんぶ|みんな|全員|両方|[0-9一二三四五六七八九十]+[^\\W\\d]|ひとつ|ふたつ|みっつ|ふたり|ひとり"
)
_JA_OBJECT = re.compile(f"だけ(?:を|が|は)?|を(?=$|(?:{_JA_COUNTED})$)")
_JA_END = re.compile("(?:のマスク|の輪郭|の領域|の部分)?[をがはも、,・ ]*$")


def _japanese(sentence: str) -> str:
    rest = "".join(sentence.split()).strip("、,・「」『』\"'")
    rest = _JA_CORRECTED.sub("", rest)
    while True:
        before = rest
        rest = _JA_FRONT.sub("", rest)
        shorter = _JA_BACK.sub("", rest)
        if shorter != rest:
            rest = _JA_FROM.sub("", _JA_END.sub("", shorter))
        rest = rest.strip("、,・")
        if rest == before:
            return _JA_END.sub("", _JA_OBJECT.sub("", rest))
