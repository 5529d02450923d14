"""What classes are called: other words for them, the phrases they stand in, and the vectors of those phrases."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

import numpy as np
import torch
from torch import Tensor

from promptseg.models.seem_tiny.sentence import SentenceEncoder
from promptseg.models.seem_tiny.wordpiece import wordpiece

Aliases = Mapping[str, tuple[str, ...]]

TEMPLATES = ("{}", "{}", "{}", "a {}", "the {}", "a photo of a {}", "{} in the picture")
"""One is drawn for each class and picture; the bare name is the commonest."""
START_TEMPLATES = ("{}", "a {}", "a photo of a {}")
"""Whose mean vectors the first map of words is fitted to."""

VOC: Aliases = {
    "aeroplane": ("airplane", "plane"),
    "bicycle": ("bike",),
    "boat": ("ship",),
    "car": ("automobile",),
    "cat": ("kitty",),
    "cow": ("cattle",),
    "diningtable": ("dining table", "table"),
    "dog": ("puppy",),
    "motorbike": ("motorcycle", "motor bike"),
    "person": ("people", "human", "man", "woman"),
    "pottedplant": ("potted plant", "plant in a pot"),
    "sheep": ("lamb",),
    "sofa": ("couch",),
    "train": ("railway train",),
    "tvmonitor": ("tv monitor", "tv", "television", "monitor"),
}
COCO: Aliases = {
    "airplane": ("aeroplane", "plane"),
    "backpack": ("rucksack",),
    "bicycle": ("bike",),
    "boat": ("ship",),
    "car": ("automobile",),
    "cell phone": ("mobile phone", "phone"),
    "couch": ("sofa",),
    "cup": ("mug",),
    "dining table": ("table",),
    "donut": ("doughnut",),
    "hair drier": ("hair dryer",),
    "handbag": ("hand bag", "purse"),
    "laptop": ("notebook computer",),
    "motorcycle": ("motorbike",),
    "mouse": ("computer mouse",),
    "orange": ("orange fruit",),
    "person": ("people", "human", "man", "woman", "child"),
    "potted plant": ("plant in a pot", "pottedplant"),
    "refrigerator": ("fridge",),
    "remote": ("remote control",),
    "sports ball": ("ball",),
    "tie": ("necktie",),
    "tv": ("television", "tv monitor"),
}
CLOTHES: Aliases = {
    "hair": ("hairs",),
    "jeans": ("denim jeans", "blue jeans"),
    "pants": ("trousers",),
    "purse": ("hand bag",),
    "skin": ("bare skin",),
    "sneakers": ("sports shoes",),
    "sunglasses": ("shades",),
    "t-shirt": ("tee shirt",),
}
EVERY: Aliases = {**VOC, **COCO, **CLOTHES}


@cache
def imagenet_names() -> tuple[str, ...]:
    """Returns the 1,000 classes of the backbone's classifier, in its order."""
    text = resources.files(__package__ or "").joinpath("imagenet_names.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def phrase(name: str, aliases: Aliases, random: np.random.Generator) -> str:
    """Returns a class as somebody might say it; its own name is as likely as two of the other words."""
    words = (name, name, *aliases.get(name, ()))
    return TEMPLATES[int(random.integers(len(TEMPLATES)))].format(words[int(random.integers(len(words)))])


class Sentences:
    """Vectors of phrases; each phrase is read once."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder = encoder.eval().requires_grad_(False)
        self._known: dict[str, Tensor] = {}

    @torch.no_grad()
    def __call__(self, phrases: Sequence[str]) -> Tensor:
        """Returns (P, 384) vectors of length 1."""
        for text in phrases:
            if text not in self._known:
                # One by one: in a batch the last bits would depend on its other phrases, and a run that goes on after
                # a stop has other ones to read.
                ids, present = wordpiece()([text])
                self._known[text] = self._encoder(torch.from_numpy(ids), torch.from_numpy(present))[0]
        return torch.stack([self._known[text] for text in phrases])

    def said(self, names: Sequence[str], aliases: Aliases, random: np.random.Generator) -> Tensor:
        """Returns vectors of classes, each in a phrase drawn anew."""
        return self([phrase(name, aliases, random) for name in names])


def noisy(vectors_PS: Tensor, amount: float, random: np.random.Generator) -> Tensor:
    """Disturbs vectors a little, every other time, so that words near a class's words mean it too."""
    if random.random() < 0.5:
        return vectors_PS
    noise_PS = torch.from_numpy(random.standard_normal(tuple(vectors_PS.shape), np.float32))
    return torch.nn.functional.normalize(vectors_PS + amount * noise_PS, dim=-1)
