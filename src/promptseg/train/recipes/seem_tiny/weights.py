"""The two networks that others trained, and from which seem-tiny starts: EfficientNet-Lite2 and MiniLM."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from promptseg.errors import InputError, WeightsError
from promptseg.models.convert import convert_checkpoint
from promptseg.models.seem_tiny.backbone import EfficientNetLite
from promptseg.models.seem_tiny.config import WIDE
from promptseg.models.seem_tiny.sentence import SentenceEncoder, from_bert
from promptseg.models.seem_tiny.weights import TinyNetwork
from promptseg.models.store import file_sha256
from promptseg.models.tensors import read_given_safetensors

CLASSES = 1000
BATCH_NORM_EPS = 1e-3

Arrays = Mapping[str, npt.NDArray[Any]]


def read_backbone(path: Path, cache: Path) -> tuple[EfficientNetLite, nn.Linear]:
    """Reads EfficientNet-Lite2 as its authors published it, and its classifier.

    Args:
        path: the .pth checkpoint, converted in the locked-down process, or a safetensors file with the same names.
        cache: where the converted file goes.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
    """
    if path.suffix.lower() != ".safetensors":
        if not path.is_file():
            raise WeightsError(f"There is no checkpoint file {path}.")
        target = cache / f"start-{file_sha256(path)[:12]}.safetensors"
        path = target if target.exists() else convert_checkpoint(path, target)
    tensors = read_given_safetensors(path)
    backbone, classifier = EfficientNetLite(), nn.Linear(WIDE, CLASSES)
    try:
        backbone.load_state_dict(_folded(tensors, len(backbone.blocks)))
        classifier.load_state_dict({part: _tensor(tensors[f"_fc.{part}"]) for part in ("weight", "bias")})
    except (KeyError, RuntimeError) as error:
        raise WeightsError(
            f"{path} is no EfficientNet-Lite2 checkpoint ({str(error).splitlines()[0]}). docs/training.md says where "
            "it comes from."
        ) from error
    return backbone.eval(), classifier.eval()


def _folded(tensors: Arrays, blocks: int) -> dict[str, Tensor]:
    """Folds each batch norm into the convolution before it."""
    pairs = {"stem": ("_conv_stem", "_bn0"), "wide": ("_conv_head", "_bn1")}
    for number in range(blocks):
        old, new = f"_blocks.{number}.", f"blocks.{number}."
        if number:  # the first block does not expand
            pairs[new + "expand"] = (old + "_expand_conv", old + "_bn0")
        pairs[new + "depthwise"] = (old + "_depthwise_conv", old + "_bn1")
        pairs[new + "project"] = (old + "_project_conv", old + "_bn2")
    folded: dict[str, Tensor] = {}
    for target, (conv, norm) in pairs.items():
        scale = tensors[f"{norm}.weight"] / np.sqrt(tensors[f"{norm}.running_var"] + BATCH_NORM_EPS)
        folded[f"{target}.weight"] = _tensor(tensors[f"{conv}.weight"] * scale[:, None, None, None])
        folded[f"{target}.bias"] = _tensor(tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale)
    return folded


def read_sentences(path: Path | None) -> SentenceEncoder:
    """Reads MiniLM.

    Args:
        path: `model.safetensors` of all-MiniLM-L6-v2, or a folder that holds it; None takes the encoder of the package,
            whose matrices are rounded to int8.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
    """
    encoder = SentenceEncoder()
    if path is None:
        network = TinyNetwork.load_sentences()
        encoder.load_state_dict({name: _tensor(network.tensor(name)) for name in encoder.state_dict()})
        return encoder.eval()
    if path.is_dir():
        places = sorted(path.rglob("model.safetensors"))
        if len(places) != 1:
            raise InputError(f"{path} holds {len(places)} files model.safetensors, expected one. Name the file itself.")
        path = places[0]
    tensors = {name: _tensor(array) for name, array in read_given_safetensors(path).items() if array.dtype.kind == "f"}
    try:
        encoder.load_state_dict(from_bert(tensors))
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"{path} is no all-MiniLM-L6-v2 ({str(error).splitlines()[0]}).") from error
    return encoder.eval()


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))
