"""PyTorch checkpoints (.pth, .pt) to safetensors, in a process that can neither run nor fetch anything."""

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from promptseg.errors import OutputError, UnavailableError, WeightsError
from promptseg.models.registry import ModelCard
from promptseg.models.seem.keys import check_state_dict
from promptseg.models.store import file_sha256
from promptseg.models.tensors import count_parameters, read_shapes

_WORKER = Path(__file__).with_name("convert_worker.py")
_TIMEOUT_SECONDS = 900


def convert_checkpoint(
    source: str | os.PathLike[str], target: str | os.PathLike[str], card: ModelCard | None = None
) -> Path:
    """Converts a PyTorch checkpoint: a state dict, plain or under "model" or "state_dict".

    The pickle is opened by `torch.load(weights_only=True)` and nothing else, in a process of its own with a
    stripped environment, limits on time, memory and file size, and no right to start programs or open
    connections. `target` is replaced only by a whole, readable file; `<target>.json` tells its hash.

    Args:
        source: the .pth or .pt file.
        target: the .safetensors file to write.
        card: when given, the number of parameters must be this model's; for SEEM all names and shapes.

    Raises:
        WeightsError: the checkpoint is missing, damaged, of another model, or asks to run code.
        UnavailableError: PyTorch is not installed.
        OutputError: the target cannot be written.
    """
    source, target = Path(source).absolute(), Path(target).absolute()
    need_torch()
    if not os.path.isfile(source):
        raise WeightsError(f"There is no checkpoint file {source}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".convert-", dir=target.parent) as folder:
            made = Path(folder) / "out.safetensors"
            _run_worker(source, made)
            _check(made, source, card)
            record = {"sha256": file_sha256(made), "bytes": made.stat().st_size, "origin": source.name}
            note = Path(folder) / "out.json"
            note.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            os.replace(made, target)
            os.replace(note, record_path(target))
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"Cannot write {target}: {error.strerror or error}. Choose another place.") from error
    return target


def need_torch() -> None:
    """Checks that PyTorch is installed, without importing it.

    Raises:
        UnavailableError: it is not.
    """
    if find_spec("torch") is None:
        raise UnavailableError.extra("PyTorch", "torch")


def record_path(weights: Path) -> Path:
    """Returns where the hash and origin of converted `weights` are recorded."""
    return weights.with_name(f"{weights.name}.json")


def _run_worker(source: Path, made: Path) -> None:
    command = [sys.executable, "-I", str(_WORKER), str(source), str(made)]
    try:
        done = subprocess.run(
            command,
            cwd=made.parent,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"{source} took more than {_TIMEOUT_SECONDS} s to convert. Given up.") from error
    report = _report(done.stdout)
    if done.returncode == 0 and made.is_file() and "tensors" in report:
        return
    message = report.get("error")
    if message is None:
        detail = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        message = f"the converter ended with code {done.returncode}. {detail}".strip()
    raise WeightsError(f"{source} was not converted: {message}")


def _report(output: bytes) -> dict[str, Any]:
    """Returns the last line of the worker's output, which is JSON unless it was stopped."""
    try:
        report = json.loads(output.strip().rpartition(b"\n")[2])
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def _check(made: Path, source: Path, card: ModelCard | None) -> None:
    shapes = read_shapes(made)
    if card is not None and card.family == "seem":
        check_state_dict(card.name, shapes)
        return
    count = count_parameters(shapes)
    if card is not None and count != card.parameters:
        raise WeightsError(
            f"{source} holds {count:,} parameters, but {card.name} has {card.parameters:,}. "
            "Give the model that it belongs to with --model, or leave --model out."
        )
