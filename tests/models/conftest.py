import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sam_synthetic import fill, normal, stand_in_for_imports

from promptseg.models.sam.sam import build_sam


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="session")
def official() -> Iterator[Any]:
    """The official modules. Their packages are test dependencies without which no parity can be shown."""
    with pytest.MonkeyPatch.context() as monkeypatch, warnings.catch_warnings():
        stand_in_for_imports(monkeypatch)
        warnings.simplefilter("ignore", FutureWarning)
        mobile_sam = pytest.importorskip("mobile_sam", reason="needs mobilesam-mirror")
        sam = pytest.importorskip("segment_anything", reason="needs segment-anything")
        from mobile_sam.modeling import tiny_vit_sam
        from segment_anything.modeling import common, image_encoder, mask_decoder, prompt_encoder, transformer

        yield SimpleNamespace(
            mobile=mobile_sam.sam_model_registry,
            sam=sam.sam_model_registry,
            tiny=tiny_vit_sam,
            vit=image_encoder,
            transformer=transformer,
            decoder=mask_decoder,
            prompt=prompt_encoder,
            common=common,
        )


@pytest.fixture(scope="session")
def mobile_pair(official: Any) -> tuple[Any, Any]:
    """The official MobileSAM and ours, with the same weights."""
    theirs, ours = official.mobile["vit_t"](), build_sam("mobile-sam")
    fill(theirs, ours)
    return theirs, ours


@pytest.fixture(scope="session")
def embedding() -> torch.Tensor:
    return normal("embedding", 1, 256, 64, 64)
