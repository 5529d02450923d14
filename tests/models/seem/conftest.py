import pytest
from seem_synthetic import SIZE, fill, network_input, picture

from promptseg.models.seem.pixel_features import PixelFeatures
from promptseg.models.seem.seem import Seem, build_seem


@pytest.fixture(scope="session")
def focal_t() -> Seem:
    seem = build_seem("seem-focal-t")
    fill(seem)
    return seem


@pytest.fixture(scope="session")
def features(focal_t: Seem) -> PixelFeatures:
    return focal_t(network_input(picture(*SIZE, 0))).detach()


@pytest.fixture(scope="session")
def other_features(focal_t: Seem) -> PixelFeatures:
    """Of the reference picture."""
    return focal_t(network_input(picture(*SIZE, 1))).detach()
