import sys
from collections.abc import Callable

import pytest

from promptseg.cli import app
from promptseg.segment import segmenter as module

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process, as the installed script does; returns code, stdout and stderr."""

    def main(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["promptseg", *map(str, arguments)])
        monkeypatch.setenv(app.LARGE_PAGES[0], "0")  # the command would set it for all tests after this
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            app.main()
        return caught.value.code, *capsys.readouterr()

    return main


@pytest.fixture
def quick(run: Run, monkeypatch: pytest.MonkeyPatch, segmenter: module.Segmenter) -> Run:
    """The same, with the model that is loaded already."""
    monkeypatch.setattr(module.Segmenter, "of", lambda *_, **__: segmenter)
    return run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
