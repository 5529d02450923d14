"""`promptseg train`: runs a recipe on labelled pictures."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from promptseg.errors import InputError


def train(
    recipe: Annotated[str, typer.Argument(help="Which recipe, such as sam-finetune.")],
    data: Annotated[
        Path, typer.Argument(help="Folder of labelled pictures; the recipe says in which layout.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The trained weights (safetensors).", metavar="FILE")
    ],
    steps: Annotated[int | None, typer.Option(help="Steps of the optimiser.")] = None,
    adapters: Annotated[
        int | None, typer.Option(help="Rank of adapters in the image encoder (sam-finetune).", metavar="RANK")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Weights of the backbone to start from (seem-tiny).", metavar="FILE")
    ] = None,
    sentences: Annotated[
        str | None,
        typer.Option(help="Sentence encoder, by default the package's own (seem-tiny).", metavar="FILE"),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Computing threads.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of every random number.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("-s", "--set", help="Another setting of the recipe or the run.", metavar="NAME=VALUE"),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of checkpoint and log; by default FILE.run.", metavar="DIR"),
    ] = None,
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
    given = {
        "steps": steps,
        "adapters": adapters,
        "start": start,
        "sentences": sentences,
        "threads": threads,
        "device": device,
        "seed": seed,
    }
    options = {name: value for name, value in given.items() if value is not None}
    options |= dict(_setting(text) for text in settings or ())
    built = entry.build(data, **options)
    from promptseg.train.loop import train as run_training

    folder = run or output.with_name(output.name + ".run")
    print(f"{entry.name}: {built.config.steps} steps; log and checkpoint in {folder}", file=sys.stderr)
    print(run_training(built, folder, output))


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--set expects NAME=VALUE, such as learning_rate=1e-4, got {text!r}.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value
