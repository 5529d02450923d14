"""The `promptseg` command. Bad input ends with one clear line on stderr and exit code 2, never with a traceback."""

import contextlib
import os
import sys

import click

import promptseg
from promptseg.cli import (
    classes,
    edges,
    embed,
    engine,
    evaluate,
    everything,
    export,
    models,
    proposals,
    segment,
    serve,
    train,
    video,
)
from promptseg.cli.command import Group
from promptseg.errors import PromptsegError
from promptseg.notes import told

LARGE_PAGES = ("THP_MEM_ALLOC_ENABLE", "1")
"""Tells PyTorch to ask the kernel for large pages of memory: SEEM is 1.09 times as fast (benchmarks/seem.md)."""


@click.group(
    "promptseg",
    cls=Group,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(promptseg.__version__, message="%(version)s", help="Print the version and leave.")
@click.pass_context
def app(context: click.Context) -> None:
    """Promptable segmentation: points, boxes, masks, polygons and scribbles in, precise masks out."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(2)


for _verb in (
    segment.segment,
    everything.everything,
    video.video,
    edges.edges,
    proposals.proposals,
    classes.panoptic,
    classes.label,
    embed.embed,
    export.export,
    serve.serve,
    train.train,
    engine.engine,
    evaluate.evaluate,
    models.models,
):
    app.add_command(_verb)


def main() -> None:
    """Runs the command; the entry point of the installed script."""
    for stream, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream) is None:  # closed by the caller; a file opened later must not take its number
            setattr(sys, stream, open(os.devnull, mode))  # noqa: SIM115
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # file names may be any bytes
    os.environ.setdefault(*LARGE_PAGES)
    try:
        with told(_say):
            code = _run(sys.argv[1:])
        sys.stdout.flush()
    except PromptsegError as error:
        code = _fail(str(error))
    except click.ClickException as problem:
        context = problem.ctx if isinstance(problem, click.UsageError) else None
        command = context.command_path if context else app.name
        code = _fail(f"{problem.format_message().rstrip('.')}. See: {command} --help")
    except MemoryError:
        code = _fail("There is not enough memory. Use a smaller picture or model.")
    except BrokenPipeError:  # the reader of our output has left; nobody wants to hear more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except OSError as error:
        if error.filename is not None:
            raise
        code = _fail(f"Cannot write the output: {error.strerror or error}.")
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """Runs a verb; returns its exit code. Click's own `main` turns broken pipes into its own codes and messages."""
    try:
        with app.make_context(app.name, arguments) as context:
            app.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    return 0


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it
        print("promptseg:", " ".join(text.splitlines()), file=sys.stderr, flush=True)


def _fail(message: str) -> int:
    _say(message)
    return 2


if __name__ == "__main__":
    main()
