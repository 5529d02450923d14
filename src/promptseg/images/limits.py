"""How large a picture may be, checked from its header before anything is decoded."""

from dataclasses import dataclass

from promptseg.errors import ImageError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
"""The endings by which pictures are found in folders; what a file is, its content decides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageLimits:
    """What `Image.open` accepts. The defaults let a 100-megapixel photograph through and stop bombs.

    Attributes:
        max_bytes: the largest file, in bytes.
        max_pixels: the largest width x height. Pillow itself stops TIFF, GIF and WebP at about 178 million.
    """

    max_bytes: int = 256 * 2**20
    max_pixels: int = 250_000_000

    def check_bytes(self, count: int, what: str) -> None:
        """Refuses a file of `count` bytes when it is too large.

        Raises:
            ImageError: it is too large.
        """
        if count > self.max_bytes:
            raise ImageError(
                f"{what} has {count:,} bytes; the limit is {self.max_bytes:,}. "
                "Make it smaller, or raise ImageLimits.max_bytes."
            )

    def check_size(self, width: int, height: int, what: str) -> None:
        """Refuses a picture without pixels, or with too many.

        Raises:
            ImageError: it has none or too many.
        """
        if width < 1 or height < 1:
            raise ImageError(f"{what} is empty: {width} x {height} pixels. A picture needs at least one pixel.")
        if width * height > self.max_pixels:
            raise ImageError(
                f"{what} is {width} x {height} = {width * height:,} pixels; "
                f"the limit is {self.max_pixels:,}. Make it smaller, or raise ImageLimits.max_pixels."
            )
