"""`promptseg export`: complete ONNX files that any engine runs."""

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from promptseg.cli.app import app
from promptseg.errors import InputError
from promptseg.runtimes.onnx_graphs import run_model


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_export(tmp_path, segmenter, embedded):
    # Tracing takes long; the graphs in the package, made by the same exporter, are compared with torch elsewhere.
    wanted = [word for graph in ("mask_decoder", "view") for word in ("--graph", graph)]
    result = CliRunner().invoke(app, ["export", "-o", str(tmp_path / "new"), *wanted], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    files = {path.stem: path for path in (tmp_path / "new").iterdir()}
    assert set(files) == {f"mobile-sam-clicks-{graph}" for graph in ("mask-decoder", "view")}
    assert len(result.output.splitlines()) == 2
    for path in files.values():
        onnx.checker.check_model(str(path), full_check=True)

    contents = {stem.removeprefix("mobile-sam-clicks-"): path.read_bytes() for stem, path in files.items()}
    features = embedded("chelsea").features
    points = np.array([[(500, 340), (0, 0), (0, 0)]] * 5, np.float32)
    labels = np.array([[1, -1, -2]] * 5)
    from promptseg.runtimes.protocol import DecoderInputs

    masks = segmenter.runtime.decode(features, DecoderInputs(points, labels)).logits[:, :1]
    logits, scores = run_model(
        contents["mask-decoder"], {"features": features, "points": points, "labels": labels, "mask_logits": masks}
    )
    assert logits.shape == (5, 4, 256, 256)
    assert scores.shape == (5, 4)
    expected = segmenter.runtime.decode(features, DecoderInputs(points, labels, masks))
    assert abs(logits - expected.logits).max() < 1e-3
    assert abs(scores - expected.scores).max() < 1e-3
    counts = {"rows": np.arange(48), "columns": np.arange(64)}
    assert run_model(contents["view"], {"features": features, **counts})[0].shape == (1, 48, 64, 256)


def test_an_unknown_graph_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["export", "-o", str(tmp_path), "--graph", "brain"])
    assert isinstance(result.exception, InputError)
    assert "brain" in str(result.exception)
    assert not any(tmp_path.iterdir())


def test_without_its_packages_the_exporter_says_what_to_install(monkeypatch):
    from promptseg import export
    from promptseg.errors import UnavailableError

    monkeypatch.setattr(export, "find_spec", lambda package: None)
    with pytest.raises(UnavailableError, match=r"promptseg\[export\]"):
        export.require()
