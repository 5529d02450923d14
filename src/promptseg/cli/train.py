"""`promptseg train`: runs a recipe on labelled pictures."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from promptseg.cli.command import Command, argument
from promptseg.cli.options import PATH, overwrite_file
from promptseg.errors import InputError
from promptseg.files import check_new


@click.command(cls=Command)
@argument("recipe", "Which recipe, such as sam-finetune.")
@argument("data", "Folder of labelled pictures; the recipe says in which layout.", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="The trained weights (safetensors).", metavar="FILE")
@click.option("--steps", type=int, help="Steps of the optimiser.")
@click.option("--adapters", type=int, help="Rank of adapters in the image encoder (sam-finetune).", metavar="RANK")
@click.option(
    "--start", help="Weights to start from: the backbone (seem-tiny), an earlier result (retouch).", metavar="FILE"
)
@click.option("--sentences", help="Sentence encoder, by default the package's own (seem-tiny).", metavar="FILE")
@click.option("--threads", type=int, help="Computing threads.")
@click.option("--device", help="cpu, cuda, mps.")
@click.option("--seed", type=int, help="Of every random number.")
@click.option(
    "-s", "--set", "settings", multiple=True, help="Another setting of the recipe or the run.", metavar="NAME=VALUE"
)
@overwrite_file
@click.option("--run", type=PATH, help="Folder of checkpoint and log; by default FILE.run.", metavar="DIR")
def train(
    recipe: str, data: Path, output: Path, settings: tuple[str, ...], run: Path | None, overwrite: bool, **given: Any
) -> None:
    """Trains on your own labelled pictures; a run that was stopped goes on from its last checkpoint.

    Needs: pip install "promptseg[train]".
    """
    from promptseg.train.recipes import find_recipe

    entry = find_recipe(recipe)
    if not data.is_dir():
        raise InputError(f"The data of a recipe is a folder, but {data} is none.")
    if output.is_dir():
        raise InputError(f"{output} is a folder: -o names the file of the trained weights.")
    folder = run or output.with_name(output.name + ".run")
    if not folder.exists():  # else the run goes on
        check_new(output, overwrite=overwrite)
    options = {name: value for name, value in given.items() if value is not None}
    options |= dict(setting(text) for text in settings)
    built = entry.build(data, **options)
    from promptseg.train.loop import train as run_training
    from promptseg.train.memory import keep_freed_memory

    print(f"{entry.name}: {built.config.steps} steps; log and checkpoint in {folder}", file=sys.stderr)
    keep_freed_memory()
    print(run_training(built, folder, output))


def setting(text: str) -> tuple[str, Any]:
    """Reads NAME=VALUE, the value as JSON where it is.

    Raises:
        InputError: it is something else.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--set expects NAME=VALUE, such as learning_rate=1e-4, got {text!r}.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value
