"""What all tests share: hypothesis settings, the example pictures, and one segmenter with its embeddings."""

import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.segmenter import Segmenter

# Two workers on two cores: threads that wait for each other in a spin would only take the other worker's time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PROMPTSEG_PROBE", "0")  # else answers depend on how busy a machine is

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

EXAMPLES = Path(__file__).parents[1] / "examples"
sys.path.append(str(Path(__file__).parent / "models"))  # sam_synthetic: stand-ins for official imports
sys.path.append(str(Path(__file__).parent))  # growth


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of example pictures."""
    return EXAMPLES


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    """The embedded model in ONNX Runtime, one thread."""
    return Segmenter(runtime="onnx", threads=1)


@pytest.fixture(scope="session")
def embedded(segmenter: Segmenter) -> Callable[[str], EmbeddedImage]:
    """Embeds an example picture by its name, once per run."""
    return functools.cache(lambda name: segmenter.embed(EXAMPLES / f"{name}.jpg"))


@pytest.fixture(scope="session")
def official_mobile_sam() -> Iterator[Any]:
    """The official MobileSAM package, with Pillow behind its picture resizing as torchvision has it."""
    from PIL import Image
    from sam_synthetic import stand_in_for_imports

    with pytest.MonkeyPatch.context() as monkeypatch, warnings.catch_warnings():
        stand_in_for_imports(monkeypatch)
        warnings.simplefilter("ignore", FutureWarning)
        mobile_sam = pytest.importorskip("mobile_sam", reason="needs mobilesam-mirror")
        from mobile_sam.utils import transforms

        def resize(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
            return picture.resize(size[::-1], Image.Resampling.BILINEAR)

        monkeypatch.setattr(transforms, "resize", resize)
        monkeypatch.setattr(transforms, "to_pil_image", Image.fromarray)
        yield mobile_sam
