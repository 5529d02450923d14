"""SEEM in PyTorch: the only place that knows devices, precisions and threads of a network with semantics.

Shapes: Q queries, C classes, S phrases, T tokens, H W pixels of the padded input, h w mask grid.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, Int64
from promptseg.errors import InputError
from promptseg.models.registry import ModelCard
from promptseg.runtimes.torch import torch_device

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class SeemFeatures:
    """An embedded picture; what it holds is the engine's own business."""

    content: Any


@dataclass(frozen=True, slots=True, eq=False)
class SeemRegion:
    """What a picture shows at touched pixels, to look for in another; the engine's own business, too."""

    content: Any


@dataclass(frozen=True, slots=True, eq=False)
class Phrases:
    """Encoded phrases.

    Attributes:
        content: their tokens; the engine's own business.
        sentences: (S, 512) what each phrase says, to compare with the captions of queries.
    """

    content: Any
    sentences: Float32


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SeemRequest:
    """Everything said about one object; each kind may be absent.

    Attributes:
        positive: (H, W) touched pixels, in the resized picture; padding may be left out.
        negative: the same, of pixels beside the object.
        visual: a region of another picture.
        text: phrases that are read as one.
        audio: the same, made from speech.
        previous: (h, w) mask logits of the round before; None leaves the memory off.
    """

    positive: Bool | None = None
    negative: Bool | None = None
    visual: SeemRegion | None = None
    text: Phrases | None = None
    audio: Phrases | None = None
    previous: Float32 | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SeemReply:
    """What all queries say about one request.

    Attributes:
        masks: (Q, h, w) mask logits on the grid over the padded input.
        captions: (Q, 512) vectors to compare with phrases and classes.
        touch: (Q,) how well each query fits the touched pixels; None without positive ones.
        visual: (Q,) how well each query fits the reference; None without one.
    """

    masks: Float32
    captions: Float32
    touch: Float32 | None = None
    visual: Float32 | None = None


class SeemRuntime:
    """Runs one SEEM network. The model is loaded when first needed. Safe to call from several threads.

    Args:
        card: which network.
        weights: its safetensors file.
        threads: how many compute on the CPU.
        precision: "float32", "bfloat16", or "auto", which is float32. The text encoder is float32 always.
        device: "cpu", "cuda" or "mps".

    Raises:
        InputError: an unknown precision or device, or one that this network does not offer.
        UnavailableError: PyTorch is not installed.
    """

    name = "torch"

    def __init__(
        self, card: ModelCard, weights: Path, *, threads: int, precision: str = "auto", device: str = "cpu"
    ) -> None:
        precision = "float32" if precision == "auto" else precision
        if precision not in ("float32", "bfloat16"):
            raise InputError(f"SEEM computes in float32 or bfloat16, got precision={precision!r}.")
        if precision == "bfloat16" and "sam" in card.name:
            raise InputError(f"{card.name} computes in float32 only, got precision={precision!r}.")
        self._device = torch_device(device, "PyTorch, which SEEM needs,")
        import torch

        self.precision, self.threads = precision, threads
        self._type = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self._card, self._weights = card, weights
        self._model: Any = None
        self._lock = threading.Lock()

    def encode(self, image: Float32) -> SeemFeatures:
        """Embeds a normalised, padded picture (1, 3, H, W)."""
        import torch

        model = self._loaded()
        with torch.inference_mode():
            return SeemFeatures(model(torch.from_numpy(image).to(self._device, self._type)))

    def look(self, features: SeemFeatures, touched: Bool) -> SeemRegion:
        """Turns touched pixels (H, W) of one picture into a region to look for in others."""
        import torch

        from promptseg.models.seem.prompts import Touch

        predictor = self._loaded().predictor
        with torch.inference_mode():
            touch = Touch(positive=[self._mask(touched)])
            return SeemRegion(predictor.look(features.content, touch, "demo"))

    def read(self, ids: Int64) -> Phrases:
        """Encodes phrases, given as token ids (S, T) with end tokens as filler."""
        import torch

        from promptseg.models.seem.prompts import PromptTokens
        from promptseg.models.seem.text_encoder import phrase_tokens, used_part

        model = self._loaded()
        with torch.inference_mode():
            rows = torch.from_numpy(ids).to(self._device)
            tokens, sentences = model.text(used_part(rows))
            strung = PromptTokens.of([phrase_tokens(tokens, rows)])
            return Phrases(strung, sentences.float().cpu().numpy())

    def class_bank(self, names: Sequence[Int64]) -> Float32:
        """Returns one unit vector per class name (C, 512), from the token ids (P, T) of each name's sentences."""
        import torch

        model = self._loaded()
        with torch.inference_mode():
            bank = model.text.class_bank(torch.from_numpy(ids).to(self._device) for ids in names)
            return bank.float().cpu().numpy()

    def text_digest(self) -> str:
        """Returns a hash (hex) of what the class bank depends on."""
        import hashlib

        digest = hashlib.sha256()
        for name, tensor in sorted(self._loaded().text.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def class_logits(self, captions: Float32, bank: Float32) -> Float32:
        """Returns (Q, C): the scaled cosine of every caption with every class."""
        scale = float(self._loaded().text.logit_scale.detach().exp())
        return (scale * _unit(captions) @ bank.T).astype(np.float32)

    def decode(self, features: SeemFeatures, requests: Sequence[SeemRequest]) -> list[SeemReply]:
        """Answers requests about one picture; those that only touch it are computed together."""
        import torch

        with torch.inference_mode():
            if len(requests) > 1 and all(_only_touches(request) for request in requests):
                return self._decode(features, requests)
            return [reply for request in requests for reply in self._decode(features, [request])]

    def _decode(self, features: SeemFeatures, requests: Sequence[SeemRequest]) -> list[SeemReply]:
        import torch

        from promptseg.models.seem.prompts import SeemOutput, SeemPrompts, Touch, region_scores

        first = requests[0]
        touch = None
        if first.positive is not None:
            positive = [self._mask(request.positive) for request in requests]
            negative = [self._mask(request.negative, like=request.positive) for request in requests]
            touch = Touch(positive=positive, negative=negative)
        previous = None
        if first.previous is not None:
            previous = torch.tensor(first.previous, device=self._device, dtype=self._type)[None, None]
        prompts = SeemPrompts(
            touch=touch,
            visual=None if first.visual is None else first.visual.content,
            text=None if first.text is None else first.text.content,
            audio=None if first.audio is None else first.audio.content,
            previous_BOhw=previous,
        )
        output: SeemOutput = self._loaded().predictor(features.content, prompts, "demo")
        queries = output.last.objects
        touched = None if output.touch is None else region_scores(queries, output.touch.positive_BOC)
        shown = None if prompts.visual is None else region_scores(queries, prompts.visual.positive_BOC)
        return [
            SeemReply(
                masks=_array(queries.masks_BQhw[row]),
                captions=_array(queries.captions_BQC[row]),
                touch=None if touched is None or not _any(request.positive) else _array(touched[row, :, 0]),
                visual=None if shown is None else _array(shown[row, :, 0]),
            )
            for row, request in enumerate(requests)
        ]

    def _mask(self, mask: Bool | None, like: Bool | None = None) -> Any:
        import torch

        if mask is None:
            assert like is not None  # noqa: S101 - narrows: negative pixels come with positive ones
            mask = np.zeros_like(like)
        return torch.tensor(mask, device=self._device)[None]

    def _loaded(self) -> Any:
        import torch

        from promptseg.models.seem.weights import load_seem

        with self._lock:
            if self._model is None:
                if self._device.type == "cpu":
                    torch.set_num_threads(self.threads)
                self._model = load_seem(self._card.name, self._weights, self._type).to(self._device)
            return self._model


def _only_touches(request: SeemRequest) -> bool:
    others = (request.visual, request.text, request.audio, request.previous)
    return request.positive is not None and all(other is None for other in others)


def _any(mask: Bool | None) -> bool:
    return mask is not None and bool(mask.any())


def _array(tensor: Any) -> Float32:
    return tensor.float().cpu().numpy()


def _unit(vectors: Float32) -> Float32:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-7)


def cosines(captions: Float32, sentences: Float32) -> Float32:
    """Returns (Q, S): the cosine of every caption with every sentence."""
    return (_unit(captions) @ _unit(sentences).T).astype(np.float32)
