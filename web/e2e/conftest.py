"""A fresh server for each scenario."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from studio_server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "out").mkdir()
    running = Server(tmp_path / "data")
    yield running
    running.kill()
