"""One SEEM with synthetic weights from a file, for all tests of the facade."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2] / "models" / "seem"))

from safetensors.torch import save_file
from seem_synthetic import SIZE, picture, synthetic_weight

from promptseg import Segmenter
from promptseg.models.seem.keys import expected_shapes
from promptseg.segment.seem.picture import SeemImage
from promptseg.segment.seem.segmenter import SeemSegmenter
from promptseg.vocabulary import vocabulary_of

CLASSES = ["cat", "dog"]


@pytest.fixture(scope="session")
def seem_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("seem") / "seem-focal-t.safetensors"
    save_file({key: synthetic_weight(key, shape) for key, shape in expected_shapes("seem-focal-t").items()}, path)
    yield path
    path.unlink()  # 660 MB


@pytest.fixture(scope="session")
def seem(seem_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeemSegmenter]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        made = Segmenter("seem-focal-t", weights=seem_weights, threads=1)
        assert isinstance(made, SeemSegmenter)
        made._engine.banks.bank(vocabulary_of(CLASSES))
        yield made


@pytest.fixture(scope="session")
def pixels() -> np.ndarray:
    return picture(*SIZE, 0)


@pytest.fixture(scope="session")
def other() -> np.ndarray:
    return picture(*SIZE, 1)


@pytest.fixture(scope="session")
def embedded(seem: SeemSegmenter, pixels: np.ndarray) -> SeemImage:
    return seem.embed(pixels, short_side=96)


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seem: SeemSegmenter
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command with the model that is loaded already, on small pictures."""
    from promptseg.cli import app
    from promptseg.segment.seem import picture as module

    monkeypatch.setattr(Segmenter, "of", lambda *_, **__: seem)
    monkeypatch.setitem(module.SHORT_SIDE, "prompts", 96)
    monkeypatch.setitem(module.SHORT_SIDE, "classes", 96)

    def main(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["promptseg", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            app.main()
        return caught.value.code, *capsys.readouterr()

    return main
