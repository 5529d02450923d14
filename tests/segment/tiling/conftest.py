"""One stand-in per test."""

import pytest
from segment_tiling_fakes import Colours

from promptseg.segment.tiling import search


@pytest.fixture
def colours(monkeypatch):
    fake = Colours()
    monkeypatch.setattr(search, "embed", fake.embed)
    monkeypatch.setattr(search, "everything", fake.everything)
    return fake
