"""The `promptseg` command. Bad input ends with one clear line on stderr and exit code 2, never with a traceback."""

import os
import sys
from typing import Annotated, Any

import typer

import promptseg
from promptseg.cli import (
    classes,
    edges,
    embed,
    evaluate,
    everything,
    export,
    options,
    proposals,
    segment,
    serve,
)
from promptseg.cli.models import models_app
from promptseg.errors import PromptsegError

app = typer.Typer(
    name="promptseg",
    help="Promptable segmentation: points, boxes, masks, polygons and scribbles in, precise masks out.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("segment")(segment.segment)
app.command("everything")(everything.everything)
app.command("edges")(edges.edges)
app.command("proposals")(proposals.proposals)
app.command("panoptic")(classes.panoptic)
app.command("label")(classes.label)
app.command("embed")(embed.embed)
app.command("export")(export.export)
app.command("serve")(serve.serve)
app.add_typer(evaluate.evaluate_app, name="evaluate")
app.add_typer(models_app, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        print(promptseg.__version__)
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    del version
    options.help_when_alone(context)


# Wrong options and arguments: click's ClickException, which typer has under different roofs in its versions.
_UsageProblem: Any = typer.BadParameter.__mro__[2]


def main() -> None:
    """Runs the command; the entry point of the installed script."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # file names may be any bytes
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except PromptsegError as error:
        code = _fail(str(error))
    except _UsageProblem as problem:
        command = problem.ctx.command_path if getattr(problem, "ctx", None) else "promptseg"
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
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    print("promptseg:", " ".join(message.splitlines()), file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
