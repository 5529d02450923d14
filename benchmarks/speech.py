"""Speech: what share of spoken names and sentences is understood so that the same thing is asked; seconds and memory.

python benchmarks/speech.py FOLDER_WITH_WHISPER [--minutes 8] [--seed 0]

The voices are espeak-ng's, which are synthetic: they are not people, and single short words are hard to understand for
people as well. What is said is drawn in a random order, so that a part of the run is a fair sample of the whole.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import subprocess
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from promptseg.arrays import Float32
from promptseg.errors import PromptError
from promptseg.models.whisper import speech_folder
from promptseg.prompts.speech import LANGUAGES
from promptseg.segment.words.phrases.read import read_phrase
from promptseg.speech.engine import CTranslateEngine, Said
from promptseg.speech.phrase import phrase_of
from promptseg.speech.recording import read_recording
from promptseg.speech.whisper import Whisper
from promptseg.vocabulary import COCO_THINGS

VOICES = ("en-us", "en-gb-x-rp", "en-gb-scotland")
SPEEDS = (120, 150, 180)
FRAMES = (
    "Please segment the {}.",
    "the {} on the left",
    "Cut out the largest {}.",
    "Show me all the {}s.",
    "I would like the second {} from the right, please.",
    "the red {}",
)
JAPANESE = (
    "いぬ", "ねこ", "くるま", "ひだりの くるま", "あかい かさ", "いぬを きりぬいて ください", "いちばん おおきい ねこ",
    "みぎから にばんめの ひと", "てまえの ひと", "しろい ねこを えらんで ください",
)  # fmt: skip


def spoken() -> list[tuple[str, str, str, int]]:
    """Returns everything that is said: kind, words, voice, speed."""
    sentences = [FRAMES[place % 6].format(COCO_THINGS[place]) for place in range(60)]
    english = [("name", name) for name in COCO_THINGS] + [("sentence", text) for text in sentences]
    everything = [(kind, text, voice, speed) for kind, text in english for voice in VOICES for speed in SPEEDS]
    return everything + [("japanese", text, "ja", speed) for text in JAPANESE for speed in SPEEDS]


def asked(text: str) -> tuple[object, ...]:
    """Returns what a text asks for, whatever its words."""
    phrase = read_phrase(text)
    return (phrase.noun or "").lower(), phrase.colours, phrase.selectors, phrase.number


def say(text: str, voice: str, speed: int, file: Path) -> None:
    """Lets espeak-ng speak."""
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(file), text], check=True)


class Remembering(CTranslateEngine):
    """Keeps what was written down last, believed or not."""

    said: Said | None = None

    def speaks(self, samples: Float32) -> bool:
        self.said = None
        return super().speaks(samples)

    def write(self, samples: Float32, languages: tuple[str, ...]) -> Said:
        self.said = super().write(samples, languages)
        return self.said


def main() -> None:
    """Measures until the time is over, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, help="where every answer is written as a line of JSON")
    options = parser.parse_args()
    engine = Remembering(speech_folder(options.model), os.cpu_count() or 1)
    whisper = Whisper(engine=engine)
    rows = []
    work = spoken()
    random.Random(options.seed).shuffle(work)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "said.wav"
        say("the dog on the left", "en-us", 120, file)
        with contextlib.suppress(PromptError):
            whisper.hear(file, language="en")  # the first one is not counted
        end = time.monotonic() + 60 * options.minutes
        for kind, text, voice, speed in work:
            if time.monotonic() > end:
                break
            say(text, voice, speed, file)
            length = read_recording(file).size / 16_000
            began, used = time.monotonic(), time.process_time()
            try:
                phrase = whisper.hear(file, language="ja" if kind == "japanese" else None).phrase
                result = "right" if asked(phrase) == asked(phrase_of(text)) else "wrong"
            except PromptError as error:
                phrase, result = str(error), "refused"
            seconds, processor = time.monotonic() - began, time.process_time() - used
            raw = engine.said
            heard = raw and asdict(raw) | {"chances": [raw.chances.get(code) for code in LANGUAGES]}
            row = {
                "kind": kind, "said": text, "voice": voice, "speed": speed, "length": length, "phrase": phrase,
                "result": result, "heard": heard,
                "seconds": seconds, "processor": processor,
            }  # fmt: skip
            rows.append(row)
            if options.rows:
                options.rows.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n")
    report(rows)


def report(rows: list[dict[str, object]]) -> None:
    """Prints the table."""
    groups: dict[tuple[str, object], list[str]] = defaultdict(list)
    for row in rows:
        for column in ("kind", "voice", "speed"):
            groups[column, row[column]].append(str(row["result"]))
    print("| | said | right | refused | wrong |\n|---|---|---|---|---|")
    for (column, value), results in sorted(groups.items(), key=str):
        shares = [f"{results.count(result) / len(results):.2f}" for result in ("right", "refused", "wrong")]
        print(f"| {column} {value} | {len(results)} | {' | '.join(shares)} |")
    for column in ("seconds", "processor", "length"):
        values = sorted(float(str(row[column])) for row in rows)
        print(f"{column}: median {values[len(values) // 2]:.2f}, 90 % below {values[int(0.9 * len(values))]:.2f}")
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
