"""The models that a server serves: made when first used, kept until it stops."""

import gzip
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from promptseg.errors import WeightsError
from promptseg.models.companions.retouch import NAME as RETOUCH
from promptseg.models.companions.retouch import RetouchNetwork
from promptseg.models.registry import ModelCard, get_card, loaded
from promptseg.models.sam.config import IMAGE_SIDE
from promptseg.prompts.types import known_prompts
from promptseg.runtimes.options import EngineOptions
from promptseg.runtimes.protocol import GraphSource
from promptseg.segment.cache import EmbeddingCache
from promptseg.segment.segmenter import Segmenter
from promptseg.server.http_errors import not_found
from promptseg.server.settings import Settings

DECODERS = ("decoder", "mask_decoder", "view", "sketch")
"""The graphs that a browser may decode with."""

BUNDLE = "bundle"
"""All of them in one file."""


class ServedModels:
    """Segmenters by name. Safe across threads.

    Args:
        settings: which models, and how they compute.

    Raises:
        WeightsError: a model is unknown, or is named twice.
    """

    def __init__(self, settings: Settings) -> None:
        self._choices: dict[str, EngineOptions] = {}
        for choice in settings.models:
            name = get_card(choice.model).name
            if name in self._choices:
                raise WeightsError(f"The model {name} is named twice.")
            self._choices[name] = choice
        self._made: dict[str, Segmenter] = {}
        self._graphs: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()
        self._cache = EmbeddingCache(
            settings.data / "embeddings", memory_bytes=0, disk_bytes=settings.limits.embedding_bytes
        )

    @property
    def names(self) -> Sequence[str]:
        """The models, the default one first."""
        return tuple(self._choices)

    def card(self, name: str | None) -> ModelCard:
        """Returns the card of a served model, by default of the first.

        Raises:
            HttpError: 404, it is not served.
        """
        if name is None:
            return get_card(self.names[0])
        try:
            card = get_card(name)
        except WeightsError:
            card = None
        if card is None or card.name not in self._choices:
            raise not_found(f"This server has no model {name[:80]!r}. It has: {', '.join(self.names)}.")
        return card

    def get(self, name: str) -> Segmenter:
        """Returns the segmenter of a served model; the first call loads it, which blocks.

        Raises:
            WeightsError: the weights are not at hand or wrong.
        """
        with self._lock:
            if name not in self._made:
                choice, card = replace(self._choices[name], cache=None), get_card(name)
                if "graphs" not in card.abilities:
                    choice = replace(choice, runtime="auto")
                self._made[name] = Segmenter.of(choice, cache=self._cache if "cache" in card.abilities else None)
            return self._made[name]

    def forget(self, picture: str) -> None:
        """Deletes the embeddings of a picture from the disk, those of all models."""
        self._cache.forget(picture)

    def warm(self) -> None:
        """Makes the encoder of the first model ready in the background, before the first picture comes."""
        runtime = self.get(self.names[0]).runtime
        blank = np.zeros((1, 3, IMAGE_SIDE, IMAGE_SIDE), np.float32)
        threading.Thread(target=runtime.encode, args=(blank,), daemon=True).start()

    def loaded(self, name: str) -> Segmenter | None:
        """Returns the segmenter if it is loaded."""
        return self._made.get(name)

    def digest(self, name: str) -> str:
        """Returns a hash of the weights and the arithmetic of a served SAM model."""
        segmenter = self.get(name)
        return f"{segmenter.network.digest} {segmenter.runtime.precision}"

    def chooses(self, name: str) -> bool:
        """Returns whether a served model has learned to choose among the masks of a click, and to retouch them."""
        return bool(get_card(name).companions.choice) and self._choices[name].weights is None

    def graph(self, name: str, graph: str) -> bytes:
        """Returns a complete ONNX decoder of a served SAM model.

        Raises:
            HttpError: 404, there is none.
        """
        if graph not in (*DECODERS, RETOUCH) or "graphs" not in get_card(name).abilities:
            raise not_found(f"{name} has no {graph[:40]}.onnx. Models of the SAM family have {', '.join(DECODERS)}.")
        network: GraphSource | None = self.get(name).network
        if graph == RETOUCH:
            network = loaded(RetouchNetwork.read, self.get(name).network.companions.retouch)
        if network is None:
            raise not_found(f"{name} was not trained to retouch masks and has no {graph}.onnx.")
        with self._lock:
            if (name, graph) not in self._graphs:
                self._graphs[name, graph] = network.model(graph)
            return self._graphs[name, graph]

    def bundle(self, name: str) -> bytes:
        """Returns the graphs of a served SAM model for the browser, packed with gzip.

        Raises:
            HttpError: 404, there are none.
        """
        if "graphs" not in get_card(name).abilities:
            raise not_found(f"{name} has no graphs for a browser. Models of the SAM family have them.")
        network = self.get(name).network
        with self._lock:
            if (name, BUNDLE) not in self._graphs:
                self._graphs[name, BUNDLE] = gzip.compress(network.bundle(), 6, mtime=0)
            return self._graphs[name, BUNDLE]


def describe(models: ServedModels, name: str, *, hears: bool) -> dict[str, Any]:
    """Returns what `GET /v1/models` says of a model, on a server that understands recordings or does not."""
    card = models.card(name)
    made = models.loaded(card.name)
    root = f"/v1/models/{card.name}"
    urls = {graph: f"{root}/{graph}.onnx" if "graphs" in card.abilities else None for graph in DECODERS}
    return {
        "name": card.name,
        "semantic": True,
        "parameters": card.parameters,
        "licence": card.licence,
        "origin": card.origin,
        "prompts": [kind for kind in known_prompts() if hears or kind != "audio"],
        **urls,
        BUNDLE: f"{root}/{BUNDLE}.safetensors" if "graphs" in card.abilities else None,
        "choice": f"{root}/choice.json" if models.chooses(card.name) else None,
        "retouch": f"{root}/{RETOUCH}.onnx" if models.chooses(card.name) else None,
        "runtime": None if made is None else made.runtime.name,
        "precision": None if made is None else made.runtime.precision,
    }
