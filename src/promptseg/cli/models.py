"""`promptseg models`: list, download, convert and verify the weights."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import click

from promptseg.cli.command import Command, Group, argument
from promptseg.cli.options import PATH, overwrite_file
from promptseg.errors import WeightsError
from promptseg.files import check_new
from promptseg.models.registry import CARDS, ModelCard, embedded_record, embedded_weights_path, get_card
from promptseg.models.store import cache_folder
from promptseg.models.whisper import SPEECH_CARDS, SpeechCard, speech_card

_CACHE = click.option(
    "--cache", type=PATH, help="The folder of downloaded weights.", envvar="PROMPTSEG_CACHE", show_envvar=True
)


@click.group(cls=Group, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--benchmark", is_flag=True, help="Measure the engines on this machine, and keep which is the fastest.")
@click.option("--threads", type=click.IntRange(1), help="With --benchmark: threads; default: one per processor.")
@click.pass_context
def models(context: click.Context, as_json: bool, benchmark: bool, threads: int | None) -> None:
    """List, download, convert and verify model weights; measure engines."""
    if context.invoked_subcommand is not None:
        return
    if benchmark:
        click.echo(_measured(threads, as_json))
        return
    cache = cache_folder()
    rows = [_row(card, cache) for card in CARDS] + [_speech_row(card, cache) for card in SPEECH_CARDS]
    click.echo(json.dumps(rows, indent=2) if as_json else _table(rows))


@models.command("download", cls=Command)
@argument("name", "A model of the list, such as sam-vit-b or whisper-base.")
@_CACHE
def download_model(name: str, cache: Path | None) -> None:
    """Download the official files of a model and check their hashes; checkpoints are converted (needs PyTorch)."""
    from promptseg.models.convert import convert_checkpoint, need_torch
    from promptseg.models.store import download

    spoken = speech_card(name)
    if spoken is not None:
        with click.progressbar(length=spoken.bytes, label=spoken.name) as bar:
            path = spoken.download(cache or cache_folder(), progress=lambda done, _: bar.update(done - bar.pos))
        click.echo(str(path))
        return
    card = get_card(name)
    if card.embedded:
        click.echo(f"{card.name} comes with promptseg; there is nothing to download.")
        return
    folder = cache or cache_folder()
    target = folder / f"{card.name}.safetensors"
    if os.path.isfile(target):
        click.echo(f"{target} is there already. Check it with: promptseg models verify")
        return
    need_torch()  # before the download, not after it
    with click.progressbar(length=card.bytes, label=card.name) as bar:
        checkpoint = download(card, folder, progress=lambda done, _: bar.update(done - bar.pos))
    convert_checkpoint(checkpoint, target, card)
    checkpoint.unlink(missing_ok=True)
    click.echo(str(target))


@models.command("convert", cls=Command)
@argument("file", "A PyTorch checkpoint (.pth, .pt).", type=PATH)
@click.option("-o", "--output", type=PATH, help="Where to write the result.")
@click.option("--model", help="Check that it is this model; without -o, put it into the cache.")
@overwrite_file
@_CACHE
def convert_model(file: Path, output: Path | None, model: str | None, overwrite: bool, cache: Path | None) -> None:
    """Convert a PyTorch checkpoint to safetensors, in a confined process that runs none of its code."""
    from promptseg.models.convert import convert_checkpoint

    card = get_card(model) if model else None
    if output is None:
        named = card is not None and not card.embedded
        output = (cache or cache_folder()) / f"{card.name}.safetensors" if card and named else None
    target = output or file.with_suffix(".safetensors")
    if target.absolute() == file.absolute():
        raise WeightsError(f"{file} would overwrite itself. Choose another place with -o.")
    check_new(target, overwrite=overwrite, source=file)
    click.echo(str(convert_checkpoint(file, target, card)))


@models.command("verify", cls=Command)
@_CACHE
def verify_models(cache: Path | None) -> None:
    """Compare the SHA-256 of the embedded and the downloaded weights with their records."""
    embedded = dict.fromkeys(name for card in CARDS for name in card.embedded_files)
    results = [_verified(embedded_weights_path(name), embedded_record(name)) for name in embedded]
    folder = cache or cache_folder()
    for card in CARDS:
        checkpoint, weights = folder / card.checkpoint, folder / f"{card.name}.safetensors"
        if os.path.isfile(checkpoint) and card.sha256:
            results.append(_verified(checkpoint, {"sha256": card.sha256}))
        if os.path.isfile(weights):
            results.append(_verified(weights, _record(weights)))
    for spoken in SPEECH_CARDS:
        files = ((folder / spoken.name / file.checkpoint, file.sha256) for file in spoken.files)
        results += [_verified(path, {"sha256": sha256}) for path, sha256 in files if os.path.isfile(path)]
    wrong = [path for path, good in results if not good]
    if wrong:
        paths = ", ".join(str(path) for path in wrong)
        raise WeightsError(f"Not what was recorded: {paths}. Delete and download again.")


def _measured(threads: int | None, as_json: bool) -> str:
    from promptseg.models.network import Network
    from promptseg.runtimes.factory import create_candidate, default_threads
    from promptseg.runtimes.fitting import benchmark

    network, count = Network.load(), threads or default_threads()
    timed, chosen = benchmark(network, count, partial(create_candidate, network, count))
    rows = [
        (one.candidate.runtime, one.candidate.precision, round(1000 * one.embed, 1), round(1000 * one.click, 1))
        for one in timed
    ]
    autos = [one.candidate == chosen for one in timed]
    if as_json:
        names = ("engine", "precision", "embed_ms", "click_ms")
        records = [{**dict(zip(names, row, strict=True)), "auto": auto} for row, auto in zip(rows, autos, strict=True)]
        return json.dumps(records, indent=2)
    lines = [(*map(str, row), "auto" if auto else "") for row, auto in zip(rows, autos, strict=True)]
    return _aligned([("engine", "precision", "embed ms", "click ms", ""), *lines])


def _verified(path: Path, record: dict[str, Any]) -> tuple[Path, bool]:
    from promptseg.models.store import file_sha256

    digest = file_sha256(path)
    good = digest == record.get("sha256")
    click.echo(f"{'ok   ' if good else 'WRONG'}  {digest}  {path}")
    return path, good


def _record(weights: Path) -> dict[str, Any]:
    from promptseg.models.convert import record_path

    try:
        record = json.loads(record_path(weights).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _row(card: ModelCard, cache: Path) -> dict[str, Any]:
    there = os.path.isfile(cache / f"{card.name}.safetensors")
    return {
        "name": card.name,
        "parameters": card.parameters,
        "bytes": sum(embedded_record(name)["bytes"] for name in card.embedded_files) if card.embedded else card.bytes,
        "state": "embedded" if card.embedded else "cached" if there else "not here",
        "licence": card.licence,
        "source": card.url,
        "aliases": list(card.aliases),
    }


def _speech_row(card: SpeechCard, cache: Path) -> dict[str, Any]:
    return {
        "name": card.name,
        "parameters": card.parameters,
        "bytes": card.bytes,
        "state": "cached" if card.there(cache) else "not here",
        "licence": card.licence,
        "source": card.url,
        "aliases": [],
    }


def _table(rows: list[dict[str, Any]]) -> str:
    head = ("name", "parameters", "size", "state", "licence", "source")
    lines: list[tuple[str, ...]] = [head]
    for row in rows:
        million = f"{row['parameters'] / 1e6:.1f} M"
        megabytes = f"{row['bytes'] / 1e6:,.0f} MB" if row["bytes"] else "?"
        lines.append((row["name"], million, megabytes, row["state"], row["licence"], row["source"]))
    return _aligned(lines)


def _aligned(lines: list[tuple[str, ...]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)
