"""`EngineOptions`: one value from the command line to the engine."""

import pickle
from dataclasses import fields

import click
import pytest

from promptseg import Segmenter
from promptseg.cli.app import app
from promptseg.errors import InputError
from promptseg.runtimes.factory import default_threads
from promptseg.runtimes.options import EngineOptions
from promptseg.segment.cache import EmbeddingCache
from promptseg.segment.everything.options import EverythingOptions
from promptseg.server.schemas import EverythingBody


def options_of(verb: str) -> dict[str, click.Parameter]:
    return {parameter.opts[0].lstrip("-"): parameter for parameter in app.commands[verb].params}


def test_processors_are_shared_out_unless_threads_are_said():
    assert EngineOptions().shared(1).threads is None
    assert EngineOptions().shared(10_000).threads == 1
    assert EngineOptions().shared(2).threads == max(1, default_threads() // 2)
    assert EngineOptions(threads=3).shared(2).threads == 3


def test_it_goes_to_other_processes():
    engine = EngineOptions(model="sam-vit-b", weights="b.safetensors", threads=2)
    assert pickle.loads(pickle.dumps(engine)) == engine  # noqa: S301


def test_a_segmenter_is_made_of_it(tmp_path):
    segmenter = Segmenter.of(EngineOptions(runtime="onnx", threads=1, cache=tmp_path))
    assert (segmenter.runtime.name, segmenter.cache is None) == ("onnx", False)
    kept = EmbeddingCache(tmp_path, memory_bytes=0)
    assert Segmenter.of(EngineOptions(runtime="onnx", threads=1), cache=kept).cache is kept


@pytest.mark.parametrize(
    ("verb", "missing"),
    [
        ("segment", set()),
        ("everything", set()),
        ("edges", {"cache"}),
        ("proposals", {"cache"}),
        ("evaluate", {"cache"}),
        ("label", {"cache", "runtime"}),
    ],
)
def test_verbs_offer_its_fields(verb, missing):
    names = {item.name for item in fields(EngineOptions)}
    assert names - set(options_of(verb)) == missing


def test_a_search_is_set_by_the_same_fields_everywhere():
    names = {item.name for item in fields(EverythingOptions)}
    assert {name.replace("_", "-") for name in names} <= set(options_of("everything"))
    assert names - set(EverythingBody.model_fields) == {"point_grids"}
    assert (
        EverythingBody().model_dump().items() <= {item.name: item.default for item in fields(EverythingOptions)}.items()
    )


def test_there_is_a_worker():
    with pytest.raises(InputError, match="at least 1 worker, got 0"):
        EngineOptions().shared(0)
