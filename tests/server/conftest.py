"""Servers for tests."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Running, run

from promptseg import Segmenter
from promptseg.server.settings import Settings

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers of one test: `start(token="...", limits=...)`."""
    with contextlib.ExitStack() as stack:

        def begin(**settings: Any) -> Running:
            chosen = {"data": tmp_path / "data", "runtime": "onnx", "threads": 1, **settings}
            return stack.enter_context(run(Settings(**chosen)))

        yield begin


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server with default limits, for tests that do not mind one another."""
    data = tmp_path_factory.mktemp("server")
    with run(Settings(data=data, runtime="onnx", threads=1)) as running:
        yield running


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    """What the server computes with, in Python: embeddings rounded to float16, as its cache has them."""
    return Segmenter(runtime="onnx", threads=1, cache=tmp_path_factory.mktemp("twin"))


@pytest.fixture(scope="session")
def astronaut(examples: Path) -> bytes:
    return (examples / "astronaut.jpg").read_bytes()


@pytest.fixture(scope="session")
def picture(here: Running, astronaut: bytes) -> dict[str, Any]:
    """The astronaut, uploaded to `here`: 512 x 512."""
    return here.upload(astronaut, name="astronaut.jpg")
