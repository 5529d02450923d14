"""`promptseg export`: complete ONNX graphs of encoder and decoder, verified."""

from pathlib import Path

import click

from promptseg.cli import options
from promptseg.cli.command import Command
from promptseg.files import check_new
from promptseg.runtimes.options import EngineOptions


@click.command(cls=Command)
@click.option("-o", "--output", type=options.PATH, required=True, help="Folder for the graphs.", metavar="DIR")
@options.overwrite_file
@options.engine("model", "weights")
@click.option(
    "--graph",
    multiple=True,
    help="Only this one: encoder, decoder, mask_decoder, scout, paint, view or sketch; repeatable.",
    metavar="GRAPH",
)
def export(output: Path, overwrite: bool, engine: EngineOptions, graph: tuple[str, ...]) -> None:
    """Writes encoder and decoder of a model as ONNX and verifies them against the torch modules.

    Needs: pip install "promptseg[export]".
    """
    from promptseg.export import require

    require()
    from promptseg.export.onnx_files import export_model, path_of
    from promptseg.models.network import GRAPHS, Network

    network = Network.load(engine.model, engine.weights)
    for name in graph or GRAPHS:
        check_new(path_of(output, network.name, name), overwrite=overwrite)
    for report in export_model(network, output, graph or GRAPHS):
        print(
            f"{report.path}: {report.path.stat().st_size / 1e6:.1f} MB, opset {report.opset}, "
            f"max difference to torch {report.difference:.1e}"
        )
