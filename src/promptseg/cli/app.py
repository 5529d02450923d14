"""The `promptseg` command. Bad input ends with one clear line on stderr and exit code 2, never with a traceback."""

import sys
from typing import Annotated

import typer

import promptseg
from promptseg.cli import evaluate, export, segment
from promptseg.cli.models import models_app
from promptseg.errors import PromptsegError

app = typer.Typer(
    name="promptseg",
    help="Promptable segmentation: points, boxes, masks, polygons and scribbles in, precise masks out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("segment")(segment.segment)
app.command("export")(export.export)
app.add_typer(evaluate.evaluate_app, name="evaluate")
app.add_typer(models_app, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        print(promptseg.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Runs the command; the entry point of the installed script."""
    try:
        app()
    except PromptsegError as error:
        print(f"promptseg: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left; nobody wants to hear more
        sys.exit(141)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
