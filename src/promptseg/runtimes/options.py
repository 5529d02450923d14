"""`EngineOptions`: which model answers, and what computes it. Command line, server, workers and peers pass it whole."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from promptseg.errors import InputError
from promptseg.models.registry import DEFAULT_MODEL
from promptseg.runtimes.table import spoken_runtimes


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineOptions:
    """A model and how it is computed, in plain values that can be sent to other processes and machines.

    The metadata of each field are its words on the command line (see `promptseg.cli.options`).

    Attributes:
        model: a name of the registry.
        weights: a safetensors checkpoint of that model; by default the embedded or cached one.
        runtime: "auto", "onnx", "openvino" or "torch".
        precision: "auto", "float32", "bfloat16" or, in OpenVINO, "float16".
        device: "cpu", or for torch "cuda" or "mps".
        threads: computing threads; by default one per processor.
        cache: a folder that keeps embeddings, or None.
    """

    model: str = field(default=DEFAULT_MODEL, metadata={"help": "Model name, see `promptseg models`."})
    weights: str | Path | None = field(
        default=None, metadata={"help": "A safetensors checkpoint of that model.", "metavar": "FILE"}
    )
    runtime: str = field(default="auto", metadata={"help": f"{spoken_runtimes()}."})
    precision: str = field(default="auto", metadata={"help": "auto, float32, bfloat16 or (OpenVINO) float16."})
    device: str = field(default="cpu", metadata={"help": "cpu, or with torch: cuda, mps."})
    threads: int | None = field(default=None, metadata={"help": "Threads; default: one per processor."})
    cache: str | Path | None = field(
        default=None,
        metadata={
            "help": "Folder that keeps embeddings, in float16, for pictures that come again (see `promptseg embed`).",
            "metavar": "DIR",
        },
    )

    def named(self, text: str) -> "EngineOptions":
        """Returns the same for another model, said as `NAME` or `NAME=WEIGHTS`."""
        name, _, file = text.partition("=")
        return replace(self, model=name.strip(), weights=Path(file) if file else None)

    def shared(self, workers: int) -> "EngineOptions":
        """Returns the same with the processors shared out among workers, unless the threads are said.

        Raises:
            InputError: there is no worker.
        """
        if workers < 1:
            raise InputError(f"There must be at least 1 worker, got {workers}.")
        if self.threads is not None or workers == 1:
            return self
        from promptseg.runtimes.factory import default_threads

        return replace(self, threads=max(1, default_threads() // workers))
