"""Which engine and arithmetic "auto" takes: the table on emulated processors, the probe, and what is kept of it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from promptseg.cli.models import models
from promptseg.errors import UnavailableError
from promptseg.models.network import Network
from promptseg.runtimes import factory, fitting
from promptseg.runtimes.fitting import Candidate, Timed, candidates, fast_precision, fastest, fitting_candidate

AMX = frozenset({"avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16"})
HALVES = frozenset({"avx2", "avx512f", "avx512_bf16", "avx512_fp16"})  # the Xeon of issue F: no AMX
BRAINS = frozenset({"avx2", "avx512f", "avx512_bf16"})
PLAIN = frozenset({"avx2"})
EXACT, ONNX = Candidate("openvino", "float32"), Candidate("onnx", "float32")
HALF, BRAIN = Candidate("openvino", "float16"), Candidate("openvino", "bfloat16")


@pytest.fixture(scope="module")
def network():
    return Network.load()


@pytest.fixture
def probing(monkeypatch, tmp_path):
    """A processor with AVX512-FP16, an empty cache folder, and engines that count how often they are made."""
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path))
    monkeypatch.delenv(fitting.SWITCH, raising=False)
    monkeypatch.setattr(fitting, "processor_features", lambda: HALVES)
    monkeypatch.setattr(fitting, "available_runtimes", lambda: ("openvino", "onnx", "torch"))
    made: list[Candidate] = []

    def make(candidate: Candidate):
        made.append(candidate)
        if candidate.runtime == "onnx":
            raise UnavailableError("not here")
        return SimpleNamespace(encode=lambda image: np.zeros(1), decode=lambda features, click: None)

    return SimpleNamespace(made=made, make=make, file=tmp_path / "engines.json", patch=monkeypatch)


@pytest.mark.parametrize(
    ("features", "precision"),
    [(AMX, "bfloat16"), (HALVES, "float16"), (BRAINS, "float32"), (PLAIN, "float32"), (frozenset(), "float32")],
)
def test_the_table(features, precision):
    assert fast_precision(features, ("float32", "bfloat16", "float16")) == precision
    assert fast_precision(features, ("float32",)) == "float32"
    assert candidates(features, ("openvino", "onnx", "torch"))[0] == Candidate("openvino", precision)


def test_candidates_by_what_is_installed():
    assert candidates(HALVES, ("openvino", "onnx", "torch")) == [HALF, ONNX, EXACT, BRAIN]
    assert candidates(BRAINS, ("openvino", "onnx", "torch")) == [EXACT, ONNX, BRAIN]
    assert candidates(PLAIN, ("openvino", "onnx")) == [EXACT, ONNX]
    assert candidates(AMX, ("onnx", "torch")) == [ONNX]
    assert candidates(AMX, ("torch",)) == [Candidate("torch", "bfloat16"), Candidate("torch", "float32")]
    assert candidates(AMX, ()) == []


def test_the_table_stays_unless_another_is_clearly_faster():
    def timed(*seconds: float) -> list[Timed]:
        return [Timed(one, time, 0.0) for one, time in zip((HALF, ONNX, EXACT, BRAIN), seconds, strict=False)]

    assert fastest(timed(0.50, 0.60, 0.55)) == HALF
    assert fastest(timed(0.50, 0.60, 0.49)) == HALF
    assert fastest(timed(0.714, 0.675, 0.557)) == EXACT
    assert fastest(timed(0.50, 0.60, 0.55, 0.45)) == HALF
    assert fastest(timed(0.50, 0.60, 0.55, 0.35)) == BRAIN
    assert fastest([]) is None


def test_the_probe_is_made_once(network, probing):
    first = fitting_candidate(network, 2, probing.make)
    assert first in (HALF, EXACT, BRAIN)
    assert probing.made == [HALF, ONNX, EXACT, BRAIN]
    assert fitting_candidate(network, 2, probing.make) == first
    assert len(probing.made) == 4
    [key] = json.loads(probing.file.read_text())
    assert "2 threads" in key
    assert "openvino" in key
    fitting_candidate(network, 1, probing.make)  # other threads are another question
    assert len(probing.made) == 8


def test_what_is_kept_counts_only_while_it_fits(network, probing):
    fitting_candidate(network, 2, probing.make)
    [key] = json.loads(probing.file.read_text())
    probing.file.write_text(json.dumps({key: ["onnx", "float32"]}))
    assert fitting_candidate(network, 2, probing.make) == ONNX
    probing.file.write_text(json.dumps({key: ["gone", "float64"]}))
    assert fitting_candidate(network, 2, probing.make) in (HALF, EXACT, BRAIN)
    for damaged in ("", "[]", "{", '{"a": 3}', '{"a": []}'):
        probing.file.write_text(damaged)
        probing.made.clear()
        assert fitting_candidate(network, 2, probing.make) in (HALF, EXACT, BRAIN)
        assert probing.made


def test_no_probe_where_its_answer_is_not_wanted_or_cannot_be_kept(network, probing, tmp_path):
    probing.patch.setenv(fitting.SWITCH, "0")
    assert fitting_candidate(network, 2, probing.make) == HALF
    probing.patch.delenv(fitting.SWITCH)
    (tmp_path / "file").write_text("")
    probing.patch.setenv("PROMPTSEG_CACHE", str(tmp_path / "file" / "folder"))
    assert fitting_candidate(network, 2, probing.make) == HALF
    assert probing.made == []


def test_auto_asks_the_table(network, monkeypatch):
    """The runner of the tests probes nothing; "auto" then is the table's first."""
    monkeypatch.setattr(fitting, "processor_features", lambda: PLAIN)
    runtime = factory.create_runtime(network, threads=1)
    assert (runtime.name, runtime.precision) == (fitting.candidates(PLAIN)[0].runtime, "float32")


def test_openvino_resolves_auto_by_the_table(network, monkeypatch):
    module = pytest.importorskip("promptseg.runtimes.openvino")
    monkeypatch.setattr(module, "processor_features", lambda: HALVES)
    assert module.OpenVinoRuntime(network, threads=1).precision == "float16"
    monkeypatch.setattr(module, "processor_features", lambda: BRAINS)
    assert module.OpenVinoRuntime(network, threads=1).precision == "float32"


def test_the_command(monkeypatch):
    timed = [Timed(HALF, 0.5, 0.03), Timed(EXACT, 0.4, 0.03)]
    monkeypatch.setattr(fitting, "benchmark", lambda *_: (timed, EXACT))
    shown = CliRunner().invoke(models, ["--benchmark"]).output.splitlines()
    assert shown[0].split() == ["engine", "precision", "embed", "ms", "click", "ms"]
    assert shown[2].split() == ["openvino", "float32", "400.0", "30.0", "auto"]
    records = json.loads(CliRunner().invoke(models, ["--benchmark", "--json"]).output)
    assert [record["auto"] for record in records] == [False, True]
