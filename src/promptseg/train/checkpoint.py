"""The state of a run on disk: weights, optimiser, averages and all random generators: it goes on to the bit."""

import contextlib
import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from promptseg.errors import InputError, WeightsError
from promptseg.files import write_bytes
from promptseg.train import ranks

FORMAT = 1


def seed_everything(seed: int) -> None:
    """Seeds the global generators, which a run owns: a task may use layers that draw from them."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def random_state(stream: np.random.Generator) -> dict[str, Any]:
    """Returns the state of the run's own stream, and of torch's, NumPy's and Python's global ones."""
    version, numbers, gauss = random.getstate()
    state: Any = np.random.get_state(legacy=True)
    kind, keys, position, has_gauss, cached = state
    return {
        "stream": stream.bit_generator.state,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "python": [version, list(numbers), gauss],
    }


def restore_random(state: dict[str, Any], stream: np.random.Generator) -> None:
    """Restores what `random_state` gave."""
    stream.bit_generator.state = state["stream"]
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))


def save_checkpoint(path: Path, state: dict[str, Any], stream: np.random.Generator) -> None:
    """Writes a checkpoint atomically; the first process writes, all of them must call.

    Raises:
        OutputError: the file cannot be written.
    """
    states = ranks.gather(random_state(stream))
    if ranks.rank() == 0:
        buffer = io.BytesIO()
        torch.save({**state, "format": FORMAT, "random": states}, buffer)
        write_bytes(path, buffer.getvalue())


def sweep(path: Path) -> None:
    """Removes what kills in the middle of writing a checkpoint have left, which may be gigabytes."""
    for leftover in path.parent.glob(f".{path.name}.{'[0-9a-f]' * 16}.part"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint; it can hold tensors and plain values only.

    Raises:
        WeightsError: it is missing, damaged or of another format.
        InputError: it was written by another number of processes.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        known = state["format"] == FORMAT
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError) as error:
        raise WeightsError(f"{path} is no checkpoint of a training run: {error}.") from error
    except Exception as error:
        if type(error).__name__ != "UnpicklingError":
            raise
        raise WeightsError(f"{path} is no checkpoint of a training run, or a damaged one.") from error
    if not known:
        raise WeightsError(f"{path} has format {state['format']!r}, expected {FORMAT}.")
    if len(state["random"]) != len(ranks.gather(0)):
        raise InputError(
            f"{path} was written by {len(state['random'])} processes and is read by {len(ranks.gather(0))}: "
            "go on with as many."
        )
    return state
