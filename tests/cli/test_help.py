"""Help: every verb describes every argument and option, and fits a terminal of 80 columns."""

import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

import promptseg
from promptseg.cli.app import app
from promptseg.cli.command import Argument


def verbs(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from verbs(below, *path, name)


VERBS = dict(verbs(app))


def words(text: str) -> str:
    """The text without its line breaks, of which some come after a hyphen."""
    return "".join(text.split())


def test_verbs_stand_in_their_order():
    first = [" ".join(path) for path in VERBS if len(path) == 1]
    assert first[:2] == ["segment", "everything"]
    assert first[-1] == "models"
    assert {("models", "download"), ("models", "convert"), ("models", "verify")} < VERBS.keys()


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_all_is_described(run, monkeypatch, path, option):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run(*path, option)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert out.startswith(" ".join(("Usage: promptseg", *path)) + " ")
    told, verb = words(out), VERBS[path]
    assert verb.help
    assert words(verb.help) in told
    for parameter in verb.params:
        if isinstance(parameter, Argument):
            names, text = [parameter.metavar], parameter.about
        else:
            assert isinstance(parameter, click.Option)
            names, text = [*parameter.opts, *parameter.secondary_opts], parameter.help
        assert text, f"{parameter.name} has no help"
        assert words(text) in told
        for name in names:
            assert name in told
    for name, below in getattr(verb, "commands", {}).items():
        assert words(name + below.get_short_help_str()) in told


def test_defaults_are_shown(run):
    told = words(run("everything", "--help")[1])
    for default in ("fast", "32", "0.88", "512/1500", "mobile-sam-clicks", "cpu", "local"):
        assert f"[default:{default}]" in told
    assert "PROMPTSEG_CACHE" in run("models", "verify", "--help")[1]


def test_alone_it_shows_its_help(run):
    assert run()[:2] == (2, run("--help")[1])
    assert run("models")[0] == 0


def test_version(run):
    assert run("--version") == (0, f"{promptseg.__version__}\n", "")


def test_a_reader_that_has_left():
    """The exit code is a shell's own for a broken pipe, and nothing is said."""
    command = [sys.executable, "-m", "promptseg.cli.app", "models"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize(("own", "expected"), [(None, "1"), ("0", "0")])
def test_large_pages_are_asked_for(own, expected):
    """In a process of its own, for the environment stays; what the user has set stays too."""
    name = "THP_MEM_ALLOC_ENABLE"
    code = f"import atexit, os, sys; atexit.register(lambda: print(os.environ[{name!r}])); sys.argv[1:] = ['--version']"
    environment = {key: value for key, value in os.environ.items() if key != name}
    environment |= {name: own} if own else {}
    run = subprocess.run(
        [sys.executable, "-c", f"{code}; from promptseg.cli.app import main; main()"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split()[-1] == expected
