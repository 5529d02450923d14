"""What is heard becomes a phrase, or an error that says why not. The engine is a small fake."""

import numpy as np
import pytest
from recordings import recording, tone

from promptseg import Audio, Segmenter, Text
from promptseg.errors import PromptError, UnavailableError, WeightsError
from promptseg.models.whisper import SPEECH_CARDS, speech_card, speech_folder
from promptseg.prompts.request import Request
from promptseg.prompts.types import prompt_from_json
from promptseg.speech import engine as engines
from promptseg.speech.engine import Said
from promptseg.speech.hear import heard
from promptseg.speech.whisper import Whisper

SURE = Said("Please segment the dog.", "en", {"en": 0.9, "ja": 0.01, "fr": 0.05}, 0.02, -0.2, 0.8)


class FakeEngine:
    """Hears what it was told, and remembers what it was given."""

    def __init__(self, said: Said = SURE, *, voice: bool = True) -> None:
        self.said, self.voice = said, voice
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    def speaks(self, samples) -> bool:
        return self.voice

    def write(self, samples, languages) -> Said:
        self.asked.append((samples.size, languages))
        return self.said


class Parrot:
    """Somebody's own recogniser."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.heard: list[str] = []

    def transcribe(self, file: str) -> str:
        self.heard.append(file)
        return self.words


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(recording(tone()))
    return path


def said(**changes) -> Said:
    values = {name: getattr(SURE, name) for name in SURE.__dataclass_fields__}
    return Said(**{**values, **changes})


def test_what_is_heard(file) -> None:
    engine = FakeEngine()
    understood = Whisper(engine=engine).hear(file)
    assert (understood.words, understood.phrase, understood.language) == ("Please segment the dog.", "the dog", "en")
    assert Whisper(engine=engine).transcribe(str(file)) == "Please segment the dog."
    assert Whisper(engine=engine).hear(file.read_bytes()) == understood
    assert engine.asked == [(16_000, ("en", "ja"))] * 3


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (FakeEngine(voice=False), "no speech is heard"),
        (FakeEngine(said(no_speech=0.9)), "no words are understood"),
        (FakeEngine(said(words=" ... ")), "no words are understood"),
        (FakeEngine(said(words="")), "no words are understood"),
        (FakeEngine(said(log_probability=-0.9)), "not understood well enough"),
        (FakeEngine(said(repetition=5.0)), "not understood well enough"),
        (FakeEngine(said(chances={"fr": 0.97, "en": 0.005})), r"another language \(fr\)"),
        (FakeEngine(said(words="Thank you.")), "names nothing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_guessed(file, engine, message) -> None:
    with pytest.raises(PromptError, match=message):
        Whisper(engine=engine).hear(file)


def test_a_language_may_be_given(file) -> None:
    engine = FakeEngine(said(chances={}))
    Whisper(engine=engine).hear(file, language="ja")
    Whisper(language="en", engine=engine).hear(file)
    heard((Audio(file, language="ja"),), Whisper(language="en", engine=engine))
    assert [languages for _, languages in engine.asked] == [("ja",), ("en",), ("ja",)]
    for wrong in ("fr", "", 3, "english"):
        with pytest.raises(PromptError, match=r"English .en. and Japanese .ja."):
            Audio(file, language=wrong)  # type: ignore[arg-type]
        with pytest.raises(PromptError, match=r"English .en. and Japanese .ja."):
            Whisper(language=wrong, engine=engine)  # type: ignore[arg-type]


def test_recordings_among_prompts(file) -> None:
    parrot = Parrot("  Please segment\n a red  umbrella. ")
    prompts = heard((Text("dog"), Audio(file)), parrot)
    assert prompts == (Text("dog"), Audio(file, phrase="a red umbrella"))
    assert heard(prompts, parrot) == prompts
    assert parrot.heard == [str(file)], "what was heard is not listened to again"
    with pytest.raises(PromptError, match="No words"):
        heard((Audio(file),), Parrot(" \n"))
    with pytest.raises(PromptError, match="There is no recording"):
        heard((Audio(file.parent / "none.wav"),), parrot)


def test_json(file) -> None:
    for prompt in (Audio("a.wav"), Audio("a.wav", "ja"), Audio("a.wav", phrase="the dog")):
        assert prompt_from_json(prompt.to_json()) == prompt
    assert Audio("a.wav").to_json() == {"type": "audio", "file": "a.wav"}
    for phrase in ("", " ", 3):
        with pytest.raises(PromptError, match="says is a phrase"):
            Audio("a.wav", phrase=phrase)  # type: ignore[arg-type]


def test_a_request_finds_missing_recordings(file) -> None:
    Request.of(Audio(file)).check((10, 10), semantic=True)  # type: ignore[arg-type]
    with pytest.raises(PromptError, match="There is no recording"):
        Request.of(Audio("none.wav")).check((10, 10), semantic=True)  # type: ignore[arg-type]


def test_a_recording_is_answered_like_its_words(file) -> None:
    from promptseg.images import Image

    pixels = np.full((96, 128, 3), 200, np.uint8)
    pixels[20:70, 30:90] = (200, 30, 30)
    segmenter = Segmenter("mobile-sam", runtime="onnx")
    seen = segmenter.embed(Image.open(pixels))
    written = segmenter.segment(seen, [[Text("the square")]])
    spoken = segmenter.segment(seen, [[Audio(file)]], transcriber=Whisper(engine=FakeEngine(said(words="The square."))))
    assert spoken.masks == written.masks
    assert all(prompts == (Audio(file, phrase="the square"),) for prompts in spoken.prompts)


def test_without_the_extra(monkeypatch) -> None:
    def without(name: str) -> None:
        raise ImportError(name=name)

    monkeypatch.setattr(engines, "import_module", without)
    with pytest.raises(UnavailableError, match=r'pip install "promptseg\[speech\]"'):
        engines.need_engine()
    with pytest.raises(UnavailableError, match=r'pip install "promptseg\[speech\]"'):
        Whisper()


def test_where_models_are(tmp_path) -> None:
    with pytest.raises(WeightsError, match="promptseg models download whisper-base"):
        speech_folder(cache=lambda: tmp_path)
    with pytest.raises(WeightsError, match=r"called whisper-tiny .*promptseg models download whisper-tiny"):
        speech_folder("Whisper_Tiny", cache=lambda: tmp_path)
    for card in SPEECH_CARDS[:2]:
        for item in card.files:
            path = tmp_path / card.name / item.checkpoint
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
    assert speech_folder(cache=lambda: tmp_path) == tmp_path / "whisper-base", "the largest that is there"
    assert speech_folder("whisper-tiny", cache=lambda: tmp_path) == tmp_path / "whisper-tiny"
    assert speech_folder(tmp_path / "whisper-tiny") == tmp_path / "whisper-tiny"
    with pytest.raises(WeightsError, match=r"no model\.bin and no config\.json and no tokenizer\.json"):
        speech_folder(tmp_path)


def test_damaged_models_are_said_to_be(tmp_path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="holds no Whisper"):
        Whisper(tmp_path)


def test_cards() -> None:
    for card in SPEECH_CARDS:
        assert speech_card(card.name) is card
        assert card.licence == "MIT"
        assert 2 * card.parameters < card.bytes < 2.2 * card.parameters, "halves of 16 bits"
        assert {item.checkpoint for item in card.files} == {
            "model.bin",
            "config.json",
            "tokenizer.json",
            "vocabulary.txt",
        }
        assert all(item.url.startswith("https://") and len(bytes.fromhex(item.sha256)) == 32 for item in card.files)


def test_download(tmp_path, monkeypatch) -> None:
    from promptseg.models import whisper

    told: list[tuple[int, int]] = []

    def fetch(item, folder, *, progress):
        folder.mkdir(exist_ok=True)
        (folder / item.checkpoint).write_bytes(b"")
        progress(item.bytes, item.bytes)
        return folder / item.checkpoint

    monkeypatch.setattr(whisper, "download", fetch)
    card = SPEECH_CARDS[0]
    assert card.download(tmp_path, lambda done, total: told.append((done, total))) == tmp_path / "whisper-tiny"
    assert card.there(tmp_path)
    assert told[-1] == (card.bytes, card.bytes)
