"""Where a number comes from: dataset, model, runtime, commit, processor, date."""

import datetime
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What must stand beside every measured number.

    Attributes:
        model: the model or checkpoint measured.
        runtime: the engine and precision, such as "onnx float32".
        commit: the commit of the code, with "-dirty" when files were changed, or the version of the package.
        processor: the processor's name.
        date: the day, as 2025-01-31.
    """

    model: str
    runtime: str
    commit: str
    processor: str
    date: str


def provenance(model: str, runtime: str) -> Provenance:
    """Fills in what can be found out: commit, processor and today's date (UTC)."""
    return Provenance(
        model=model,
        runtime=runtime,
        commit=_commit() or f"promptseg {_version()}",
        processor=_processor(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def _commit() -> str | None:
    """Returns the commit of this very file, or None when it is not under version control."""
    file = Path(__file__).resolve()
    # A package installed inside some other project's checkout must not claim that project's commit.
    if _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return None
    return _git(file.parent, "describe", "--always", "--dirty", "--exclude", "*")


def _git(folder: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _version() -> str:
    try:
        return metadata.version("promptseg")
    except metadata.PackageNotFoundError:
        return "of unknown version"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine() or "unknown processor"
