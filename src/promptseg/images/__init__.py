"""Pictures: reading them safely, and fitting them into the model's input. NumPy and Pillow only."""

from promptseg.images.limits import PICTURE_SUFFIXES, ImageLimits
from promptseg.images.picture import Image
from promptseg.images.preprocess import preprocess

__all__ = ["PICTURE_SUFFIXES", "Image", "ImageLimits", "preprocess"]
