"""Plain numbers of seem-tiny. Needs no torch."""

from typing import NamedTuple

SIDE = 512
"""The network's input is a square of this many pixels; pictures lie in it as in SAM's frame, at the top left."""
STRIDE = 8
GRID = SIDE // STRIDE
"""Side of the map of pixel vectors."""
COARSE = 32
"""Stride of the coarsest level, on which the inside of the picture is marked."""

PIXEL_MEAN, PIXEL_STD = 127.0, 128.0
"""Of every channel, on the scale 0 to 255."""

CHANNELS = 256
"""Length of pixel vectors and class vectors."""
SENTENCE = 384
"""Length of MiniLM's vectors."""


class Stage(NamedTuple):
    """Equal blocks of the backbone; only the first has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STEM = 32
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(3, 3, 2, 6, 24),
    Stage(3, 5, 2, 6, 48),
    Stage(4, 3, 2, 6, 88),
    Stage(4, 5, 1, 6, 120),
    Stage(5, 5, 2, 6, 208),
    Stage(1, 3, 1, 6, 352),
)
"""EfficientNet-Lite2 (arXiv 1905.11946, without squeeze and excitation): the stages behind the stem."""

EIGHTH, SIXTEENTH, LAST_BUT_ONE = 6, 14, 19
"""Blocks whose outputs the head reads besides the last: at strides 8, 16 and 32."""
WIDE = 1280
"""Channels before the classifier that the backbone was trained with."""

COARSE_WIDTH, MIDDLE_WIDTH, FINE_WIDTH = 256, 192, 128
"""Channels of the head at strides 32, 16 and 8."""
NAME_SIDE = 256
"""A region is named by a square cut-out around it of this many pixels."""
NAME_CONTEXT = 1.2
"""Side of the cut-out as a multiple of the region's longer side."""
WORD_WIDTH = 512
"""Hidden channels between a sentence's vector and a class vector."""
