"""The models that write down speech: OpenAI's Whisper, converted for CTranslate2. Each is a folder of four files."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from promptseg.errors import WeightsError
from promptseg.models.store import cache_folder, download
from promptseg.progress import Progress

NEEDED = ("model.bin", "config.json", "tokenizer.json")
"""What a folder of one's own must hold; its vocabulary may be called vocabulary.txt or vocabulary.json."""


@dataclass(frozen=True, slots=True)
class SpeechFile:
    """One file of a model: what is downloaded.

    Attributes:
        name: the model that it belongs to.
        url: where it is.
        bytes: its size.
        sha256: its hash.
    """

    name: str
    url: str
    bytes: int
    sha256: str

    @property
    def checkpoint(self) -> str:
        """Its name in the model's folder."""
        return self.url.rpartition("/")[2]

    @property
    def by_hand(self) -> str:
        """What to do with one that was got by other means."""
        return (
            f"put it with the model's other files into one folder, and name that with --speech-model or as {self.name}."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechCard:
    """What is known about one model.

    Attributes:
        name: the name used everywhere in promptseg.
        parameters: how many trained numbers the network has.
        url: the official page of the files.
        files: what has to be downloaded.
        licence: SPDX name of the licence of the weights.
        origin: who trained it, and from what.
    """

    name: str
    parameters: int
    url: str
    files: tuple[SpeechFile, ...]
    licence: str = "MIT"
    origin: str = "openai/whisper, multilingual, converted for CTranslate2 by Systran"

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files)

    def there(self, cache: Path) -> bool:
        """Returns whether all files are in a cache."""
        return all(os.path.isfile(cache / self.name / file.checkpoint) for file in self.files)

    def download(self, cache: Path, progress: Progress | None = None) -> Path:
        """Downloads the files into a folder of the cache, which is returned; see `store.download`.

        Raises:
            WeightsError: an address cannot be reached, or sends something else.
            OutputError: the cache cannot be written.
        """
        folder, before = cache / self.name, 0
        for file in self.files:
            download(file, folder, progress=_after(before, self.bytes, progress))
            before += file.bytes
        return folder


def _after(before: int, total: int, progress: Progress | None) -> Progress | None:
    """Returns what tells how far a download of several files is."""
    return None if progress is None else lambda done, _: progress(before + done, total)


def _whisper(size: str, parameters: int, revision: str, **special: tuple[int, str]) -> SpeechCard:
    name, page = f"whisper-{size}", f"https://huggingface.co/Systran/faster-whisper-{size}/resolve/{revision}/"
    sums = {
        "config.json": special["config"],
        "tokenizer.json": (2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
        "vocabulary.txt": (459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
        "model.bin": special["model"],
    }
    files = tuple(SpeechFile(name, page + file, stored, sha256) for file, (stored, sha256) in sums.items())
    return SpeechCard(name=name, parameters=parameters, url=page, files=files)


# The SHA-256 sums and sizes are those on which independent public projects that pin these files agree; those of base
# were compared with a copy of the files besides.
SPEECH_CARDS: tuple[SpeechCard, ...] = (
    _whisper(
        "tiny",
        37_760_640,
        "d90ca5fe260221311c53c58e660288d3deb8d356",
        config=(2_249, "a73a28cdfe1c43ccc7202fa333d1f89c202477271407ae9a7f19afa52039cac8"),
        model=(75_538_270, "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1"),
    ),
    _whisper(
        "base",
        72_593_920,
        "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        config=(2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        model=(145_217_532, "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"),
    ),
    _whisper(
        "small",
        241_734_912,
        "536b0662742c02347bc0e980a01041f333bce120",
        config=(2_370, "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828"),
        model=(483_546_902, "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671"),
    ),
)


def speech_card(name: str) -> SpeechCard | None:
    """Returns the card of the model of speech called `name`; None if there is none."""
    plain = name.strip().lower().replace("_", "-")
    return next((card for card in SPEECH_CARDS if card.name == plain), None)


def speech_folder(given: str | Path | None = None, *, cache: Callable[[], Path] = cache_folder) -> Path:
    """Returns the folder of a model of speech.

    Args:
        given: a folder, or a name of the registry; by default the largest model that was downloaded.
        cache: says where downloaded models are.

    Raises:
        WeightsError: it is not there; the message says how to get it.
    """
    card = speech_card(str(given)) if given is not None else None
    if given is not None and card is None:
        folder = Path(given)
        missing = [name for name in NEEDED if not os.path.isfile(folder / name)]
        if missing:
            raise WeightsError(
                f"{folder} is no folder with Whisper for CTranslate2: it has no {' and no '.join(missing)}. Give "
                f"such a folder, or one of {', '.join(known.name for known in SPEECH_CARDS)}."
            )
        return folder
    there = cache()
    wanted = [card] if card else sorted(SPEECH_CARDS, key=lambda known: -known.parameters)
    found = next((known for known in wanted if known.there(there)), None)
    if found is None:
        name = card.name if card else "whisper-base"
        raise WeightsError(
            f"No model that writes down speech{f' called {name}' if card else ''} is in {there}. Run: promptseg models "
            f"download {name}"
        )
    return there / found.name
