"""PyTorch: the reference engine, on CPU, CUDA or Apple's MPS, in float32 or bfloat16."""

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from promptseg.arrays import Float32
from promptseg.errors import InputError, UnavailableError
from promptseg.geometry import Size
from promptseg.models.network import Network
from promptseg.runtimes.protocol import DecoderInputs, DecoderOutputs
from promptseg.runtimes.scout import ScoutAnswer, ScoutView, scout_view

_forked = False


def _after_fork() -> None:
    """In a forked child the threads of its parent are missing, and PyTorch would wait for them: one computes."""
    global _forked
    _forked = "torch" in sys.modules
    if _forked:
        sys.modules["torch"].set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def torch_device(device: str, what: str) -> Any:
    """Returns a device that PyTorch can compute on here.

    Raises:
        InputError: it cannot.
        UnavailableError: PyTorch is not installed; the message says what needs it.
    """
    try:
        import torch
    except ImportError as error:
        raise UnavailableError.extra(what, "torch") from error
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        if _forked:
            raise InputError(
                f"The device {device!r} cannot be used in a process that was forked ({reason}). Start it with "
                "multiprocessing.get_context('spawn')."
            ) from error
        raise InputError(f"The device {device!r} cannot be used here ({reason}). Use cpu, cuda or mps.") from error
    return found


class TorchRuntime:
    """Runs a network's torch modules. The model is built when first needed."""

    name = "torch"

    def __init__(self, network: Network, *, threads: int, precision: str = "auto", device: str = "cpu") -> None:
        self._device = torch_device(device, "PyTorch")
        self.precision = "float32" if precision == "auto" else precision
        self._network = network
        self.threads = threads
        self._models: dict[bool, Any] = {}
        self._process = os.getpid()
        self._lock = threading.Lock()

    def encode(self, image: Float32) -> Float32:
        """Embeds normalised, padded pictures; see `Runtime.encode`."""
        return self._compute(self._loaded().image_encoder, image)

    def decode(self, embedding: Float32, inputs: DecoderInputs, *, official: bool = False) -> DecoderOutputs:
        """Decodes prompts on one picture; see `Runtime.decode`."""
        model = self._loaded(answering=not official)
        prompts = (inputs.points, inputs.labels, inputs.mask_logits)
        return DecoderOutputs(*self._compute(model.predict_masks, embedding, *prompts))

    def view(self, embedding: Float32, resized: Size) -> ScoutView:
        """Prepares an embedding for `scout`; see `Runtime.view`."""
        return scout_view(self._network, embedding, resized)

    def scout(self, view: ScoutView, point: Float32, worth: float) -> ScoutAnswer:
        """Tries one click; see `Runtime.scout`."""
        from promptseg.models.sam import scout

        seen, filters, scores = self._compute(partial(scout.scout, self._loaded()), *view.feeds(point[None]).values())
        if not (scores > worth).any():
            return ScoutAnswer(scores[0], None)
        return ScoutAnswer(scores[0], self._compute(partial(scout.paint, self._loaded()), seen, filters)[0])

    def _compute(self, function: Callable[..., Any], *arrays: Any) -> Any:
        import torch

        if self._device.type != "cpu" and self._process != os.getpid():
            torch_device(self._device.type, "PyTorch")  # says what is wrong
        # Copied, because embeddings are read-only, of which torch would warn.
        tensors = [None if array is None else torch.tensor(array, device=self._device) for array in arrays]
        reduced = self.precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=reduced):
            result = function(*tensors)
        if isinstance(result, tuple):
            return tuple(part.float().cpu().numpy() for part in result)
        return result.float().cpu().numpy()

    def _loaded(self, *, answering: bool = False) -> Any:
        """Returns the checkpoint's network, or the one that answers prompts; they share the encoder."""
        import torch

        from promptseg.models.sam.checkpoint import load_state_dict
        from promptseg.models.sam.sam import build_sam

        own = answering and bool(self._network.clicks)
        with self._lock:
            if own not in self._models:
                if self._device.type == "cpu" and not _forked:
                    torch.set_num_threads(self.threads)
                model = build_sam(self._network.base)
                load_state_dict(model, self._network.answering if own else self._network.tensors)
                if (not own) in self._models:
                    model.image_encoder = self._models[not own].image_encoder
                self._models[own] = model.eval().to(self._device)
            return self._models[own]
