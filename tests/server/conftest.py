"""Servers for tests. One folder of embeddings serves them all, so that each picture is embedded once."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serving import ONE_THREAD, Running, run

from promptseg import Segmenter
from promptseg.server.settings import Limits, Settings

PATIENT = Limits(request_seconds=600)
"""So that a slow machine fails no test."""

Start = Callable[..., Running]


@pytest.fixture(scope="session")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embeddings")


@pytest.fixture
def data(tmp_path: Path, embeddings: Path) -> Path:
    """A folder for a server's data."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "embeddings").symlink_to(embeddings)
    return folder


@pytest.fixture
def start(data: Path) -> Iterator[Start]:
    """Starts the server of one test: `start(token="...", limits=...)`."""
    with contextlib.ExitStack() as stack:

        def begin(limits: Limits = PATIENT, **settings: Any) -> Running:
            if limits.request_seconds >= 30:  # a deadline that the test does not speak of
                limits = replace(limits, request_seconds=PATIENT.request_seconds)
            chosen = {"data": data, "models": ONE_THREAD, "limits": limits, **settings}
            return stack.enter_context(run(Settings(**chosen)))

        yield begin


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory, embeddings: Path) -> Iterator[Running]:
    """One server with default limits, for tests that do not mind one another."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "embeddings").symlink_to(embeddings)
    with run(Settings(data=folder, models=ONE_THREAD, limits=PATIENT)) as running:
        yield running


@pytest.fixture(scope="session")
def twin(embeddings: Path) -> Segmenter:
    """What the server computes with, in Python."""
    return Segmenter(runtime="onnx", threads=1, cache=embeddings)


@pytest.fixture(scope="session")
def astronaut(examples: Path) -> bytes:
    return (examples / "astronaut.jpg").read_bytes()


@pytest.fixture(scope="session")
def picture(here: Running, astronaut: bytes) -> dict[str, Any]:
    """The astronaut, uploaded to `here`: 512 x 512."""
    return here.upload(astronaut, name="astronaut.jpg")
