"""`promptseg export`: complete ONNX graphs of encoder and decoder, verified."""

from pathlib import Path
from typing import Annotated

import typer

from promptseg.cli import options
from promptseg.models.registry import DEFAULT_MODEL


def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the graphs.", metavar="DIR")],
    model: options.Model = DEFAULT_MODEL,
    weights: options.Weights = None,
    graph: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this one: encoder, decoder, mask_decoder, look, paint, view or sketch; repeatable.",
            metavar="GRAPH",
        ),
    ] = None,
) -> None:
    """Writes encoder and decoder of a model as ONNX and verifies them against the torch modules.

    Needs: pip install "promptseg[export]".
    """
    from promptseg.export import require

    require()
    from promptseg.export.onnx_files import export_model
    from promptseg.models.network import GRAPHS, Network

    for report in export_model(Network.load(model, weights), output, graph or GRAPHS):
        print(
            f"{report.path}: {report.path.stat().st_size / 1e6:.1f} MB, opset {report.opset}, "
            f"max difference to torch {report.difference:.1e}"
        )
