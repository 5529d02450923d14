"""One model ready for an engine: its graphs, and the tensors that fill them. Knows neither torch nor an engine."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.errors import WeightsError
from promptseg.models.companions.decoder import trained_decoder
from promptseg.models.graphs.bundle import bundle
from promptseg.models.graphs.stored import complete_model
from promptseg.models.registry import DEFAULT_MODEL, CompanionFiles, ModelCard, get_card, packaged
from promptseg.models.sam.keys import check_state_dict
from promptseg.models.store import cache_folder, find_weights
from promptseg.models.tensors import read_given_safetensors, read_safetensors

GRAPHS = ("encoder", "decoder", "mask_decoder", "scout", "paint", "view", "sketch")
"""The graphs of every model: the image encoder, the decoder without and with mask prompts, and, of `models.sam.scout`,
the two steps of the decoder for many single clicks and the two of the quick one for a mouse that hovers."""

PROMPTED = ("decoder", "mask_decoder", "sketch")
"""Those that answer a user's prompts."""

DECODER = ("prompt_encoder.", "mask_decoder.")
"""How the names of the tensors begin that answer prompts."""

OFFICIAL = "official_"
"""Begins the name of a decoder graph that is filled with the checkpoint although the model has a decoder of its own for
prompts."""

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Network:
    """A model's card, its tensors under their official names, and its graphs.

    Attributes:
        card: what the registry knows of the model.
        tensors: the checkpoint.
        source: the file that the tensors came from.
        side: the model's input is a square of this many pixels.
        clicks: tensors that replace those of the checkpoint where prompts are answered; automatic masks, edges and
            proposals keep to the checkpoint, whose scores they are tuned to.
        companions: what was trained beside the model and fits these tensors.
    """

    card: ModelCard
    tensors: Tensors = field(repr=False)
    source: Path
    side: int = 1024
    clicks: Tensors = field(default_factory=dict, repr=False)
    companions: CompanionFiles = field(default_factory=CompanionFiles, repr=False)

    @classmethod
    def load(cls, model: str = DEFAULT_MODEL, weights: str | Path | None = None) -> "Network":
        """Loads a model by name, from its embedded or cached weights or from a safetensors file.

        A file of nothing but prompt encoder and mask decoder, as the recipe sam-clicks writes it, answers prompts; the
        rest is that of the embedded or cached weights. The default model has such a decoder in the package. Companions
        go with a model's own weights only.

        Raises:
            WeightsError: the model is unknown, its weights are not at hand, damaged, or of another architecture.
        """
        card = get_card(model)
        if card.family != "sam":
            raise WeightsError(f"{card.name} is no SAM network and has no such graphs. Use Segmenter({card.name!r}).")
        given = {} if weights is None else read_given_safetensors(weights)
        clicks: Tensors = {}
        if given and all(name.startswith(DECODER) for name in given):
            clicks, given = given, {}
        path = Path(weights) if given and weights is not None else find_weights(card, cache_folder())
        tensors = given or read_safetensors(path)
        files = card.companions if weights is None else CompanionFiles()
        if files.decoder:
            clicks = trained_decoder(tensors, packaged(files.decoder))
        network = cls(card, tensors, path, clicks=clicks, companions=files)
        check_state_dict(card.network, {name: array.shape for name, array in network.answering.items()})
        return network

    @property
    def name(self) -> str:
        """The model's name in the registry."""
        return self.card.name

    @property
    def base(self) -> str:
        """The name of the network that embeds pictures: several models may share it, and its embeddings."""
        return self.card.network

    @property
    def answering(self) -> Tensors:
        """The tensors of the network that answers prompts."""
        return {**self.tensors, **self.clicks}

    def decoder(self, masked: bool, official: bool) -> str:
        """Names the graph that decodes prompts, with or without mask prompts; see `OFFICIAL`."""
        name = "mask_decoder" if masked else "decoder"
        return OFFICIAL + name if official and self.clicks else name

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the checkpoint: names, types, shapes and numbers, whatever file they came from."""
        digest = hashlib.sha256()
        for name in sorted(self.tensors):
            tensor = np.ascontiguousarray(self.tensors[name])
            digest.update(f"{name} {tensor.dtype.str} {tensor.shape}\n".encode())
            digest.update(tensor.reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def bundle(self) -> bytes:
        """Returns the graphs that a browser answers prompts with, in one file (see `models.graphs.bundle`)."""
        return bundle(self.base, {"view": self.tensors, **dict.fromkeys(PROMPTED, self.answering)})

    def model(self, graph: str) -> bytes:
        """Returns a complete ONNX model: one of `GRAPHS`, or a decoder that `decoder` names."""
        tensors = self.answering if graph in PROMPTED else self.tensors
        return complete_model(self.base, graph.removeprefix(OFFICIAL), tensors)
