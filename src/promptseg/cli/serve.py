"""`promptseg serve`: the HTTP server and the studio."""

import os
import sys
from dataclasses import replace
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptseg.cli import options
from promptseg.cli.command import Command
from promptseg.errors import InputError, UnavailableError
from promptseg.models.registry import DEFAULT_MODEL, get_card
from promptseg.runtimes.options import EngineOptions

if TYPE_CHECKING:
    from promptseg.engine import Project

GRACE_SECONDS = 4
"""How long a server that stops lets requests go on; then it takes `CLOSING_SECONDS` more, at most (server/jobs.py)."""


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", help="Address to listen on; any other than 127.0.0.1 demands a token.")
@click.option("--port", default=8765, help="Port; 0 takes a free one.")
@click.option(
    "--token",
    help="What clients must send as `Authorization: Bearer`; better given in PROMPTSEG_TOKEN.",
    envvar="PROMPTSEG_TOKEN",
)
@click.option(
    "--annotators",
    type=options.PATH,
    help="A file with a line for each annotator: their name, and a token of their own.",
    metavar="FILE",
)
@click.option(
    "--data",
    type=options.PATH,
    help="Folder for pictures, sessions and labels.  [default: ~/.local/share/promptseg]",
    metavar="DIR",
)
@click.option(
    "--project",
    type=options.PATH,
    help="A project of the data engine: its pictures are laid out, and what is saved goes into it.",
    metavar="DIR",
)
@click.option(
    "--model",
    multiple=True,
    help=f"A model, as NAME or NAME=WEIGHTS; may be repeated, the first is the default.  [default: {DEFAULT_MODEL}]",
    metavar="MODEL",
)
@options.engine("runtime", "precision", "threads")
@click.option("--workers", default=2, help="Computations at a time.")
@click.option(
    "--allow-origin",
    multiple=True,
    help="A page of another origin that may use the server; may be repeated.",
    metavar="ORIGIN",
)
@click.option(
    "--label-studio",
    help="The Label Studio whose uploads may be fetched; its token is read from LABEL_STUDIO_TOKEN.",
    metavar="URL",
)
@options.speech_model
@click.option("--max-upload-mb", default=64, help="The largest picture file, in MiB.")
@click.option("--max-megapixels", default=100, help="The largest picture, in million pixels.")
def serve(
    host: str,
    port: int,
    token: str | None,
    annotators: Path | None,
    data: Path | None,
    project: Path | None,
    model: tuple[str, ...],
    engine: EngineOptions,
    workers: int,
    allow_origin: tuple[str, ...],
    label_studio: str | None,
    speech_model: str | None,
    max_upload_mb: int,
    max_megapixels: int,
) -> None:
    """Serves segmentation over HTTP, and the studio for the browser, until Ctrl-C."""
    try:
        import uvicorn

        from promptseg.server.app import create_app
        from promptseg.server.connections import GuardedProtocol
    except ImportError as error:
        if isinstance(error, UnavailableError):
            raise
        raise UnavailableError.extra(f"The server ({error.name})", "server") from error
    from promptseg.server import static
    from promptseg.server.settings import MIB, LabelStudio, Limits, Settings, default_data

    if not 1 <= max_upload_mb <= 4096 or not 1 <= max_megapixels <= 2000:
        raise InputError("--max-upload-mb is from 1 to 4096, --max-megapixels from 1 to 2000.")
    limits = Limits(
        max_upload_bytes=max_upload_mb * MIB,
        max_pending_bytes=max(256, 4 * max_upload_mb) * MIB,
        max_pixels=max_megapixels * 1_000_000,
    )
    opened = _opened(project)
    models = tuple(engine.named(text) for text in model or [DEFAULT_MODEL])
    if opened is not None and not model:
        used = opened.versions.engine()
        models = (replace(engine, model=used.model, weights=used.weights),)
    settings = Settings(
        data=data or (default_data() if project is None else project / "studio"),
        models=models,
        host=host,
        port=port,
        token=token or None,
        annotators={} if annotators is None else _annotators(annotators),
        origins=allow_origin,
        workers=workers,
        limits=limits,
        speech=speech_model,
        label_studio=LabelStudio(url=label_studio, token=os.environ.get("LABEL_STUDIO_TOKEN")),
    )
    app = create_app(settings)
    if opened is not None:
        from promptseg.server.desk import Desk

        desk = Desk(opened, app.state.server.store, getuser())
        desk.start()
        app.state.endings.append(desk.close)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
        http=GuardedProtocol.of(app),
        h11_max_incomplete_event_size=65_536,
    )
    server = uvicorn.Server(config)
    try:
        socket = config.bind_socket()
    except SystemExit as error:  # uvicorn's way to say that the port is taken
        raise InputError(f"Cannot listen on {host}:{port}: it is in use or not allowed. Try another --port.") from error
    socket.listen()  # before the address is told: who follows it at once waits for the first answer, and is not refused
    address = f"http://{'[' + host + ']' if ':' in host else host}:{socket.getsockname()[1]}"
    print(f"promptseg serves {address}/  (data in {settings.data}; Ctrl-C stops)", flush=True)
    if static.studio() is None:
        print("The studio is not part of this installation; see the page at that address.", file=sys.stderr)
    if "graphs" in get_card(settings.models[0].model).abilities:
        app.state.server.models.warm()
    try:
        server.run(sockets=[socket])
    finally:
        if not app.state.server.jobs.close(0):  # a thread that never looks up would be waited for
            os._exit(130)


def _annotators(path: Path) -> dict[str, str]:
    """Reads names and tokens.

    Raises:
        InputError: a line has no token, or a name is there twice.
    """
    from promptseg.formats.reading import read_text

    found: dict[str, str] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        *words, token = line.split()
        name = " ".join(words)
        if not name or name in found:
            what = f"{name!r} is there twice" if name else "a name and a token are expected"
            raise InputError(f"{path}, line {number}: {what}, such as: Mia xY3pQ9mZ")
        found[name] = token
    if not found:
        raise InputError(f"{path} names no annotator. Give a line for each: a name, and a token of their own.")
    return found


def _opened(project: Path | None) -> "Project | None":
    if project is None:
        return None
    from promptseg.engine import Project

    return Project(project)
