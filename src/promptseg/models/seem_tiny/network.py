"""The parts of seem-tiny that an engine runs: what is seen, what is read, what a region is called.

A cell shows a class if scale * cos(pixel vector, class vector) + bias + lean of the class is above 0. Of names that
exclude one another, a region's is the one with the highest cos(region vector, name vector).
"""

import torch
from torch import Tensor, nn

from promptseg.models.seem_tiny.backbone import EfficientNetLite
from promptseg.models.seem_tiny.head import PixelHead, WordMap
from promptseg.models.seem_tiny.namer import Namer
from promptseg.models.seem_tiny.sentence import SentenceEncoder


class SeemTiny(nn.Module):
    """A backbone with a head for pixels and a namer for regions, and a sentence encoder with a map for each."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite()
        self.head = PixelHead()
        self.namer = Namer()
        self.sentence = SentenceEncoder()
        self.words = WordMap()
        self.log_scale = nn.Parameter(torch.tensor(2.5))  # of pixels
        self.bias = nn.Parameter(torch.tensor(-4.0))
        self.log_name_scale = nn.Parameter(torch.tensor(3.0))  # of names

    def see(self, image_B3HW: Tensor, inside_B1HW: Tensor) -> Tensor:
        """Returns pixel vectors (B, D, H/8, W/8); see `PixelHead`."""
        return self.head(self.backbone(image_B3HW), inside_B1HW)

    def name(self, image_B3HW: Tensor, picture_B1HW: Tensor, region_B1HW: Tensor) -> Tensor:
        """Returns region vectors (B, D) of cut-outs; see `Namer`."""
        return self.namer(self.backbone.early(image_B3HW)[1], picture_B1HW, region_B1HW)

    def read(self, ids_PT: Tensor, present_PT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns class vectors (P, D), leans (P,) and name vectors (P, D) of phrases; see `WordMap`."""
        sentence_PS = self.sentence(ids_PT, present_PT)
        vectors_PD, leans_P = self.words(sentence_PS)
        return vectors_PD, leans_P, self.namer.words(sentence_PS)[0]
