"""The confined half of `convert`: run by path as `python -I convert_worker.py SOURCE TARGET`, never imported.

It prints one line of JSON: {"tensors": count} or {"error": message}.
"""

import contextlib
import json
import os
import re
import sys
import zipfile
from typing import Any

_CPU_SECONDS = 600
_MOST_SHARED = 4  # a number may belong to a few tensors, as tied weights do
_SPARE_FOR_LOADING = 512 * 2**20
_SPARE_BYTES = 16 * 2**30  # torch maps far more address space than it uses
_FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "pty.",
    "webbrowser.",
    "urllib.",
    "ftplib.",
    "smtplib.",
)


class Refused(Exception):
    """The checkpoint is not converted, for the reason given."""


def limit_resources(size: int) -> None:
    """Bounds CPU time, memory and the size of written files, where the system can."""
    try:
        import resource
    except ImportError:
        return
    wanted = {
        resource.RLIMIT_CPU: _CPU_SECONDS,
        resource.RLIMIT_AS: 4 * size + _SPARE_BYTES,
        resource.RLIMIT_FSIZE: 2 * size + 2**20,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in wanted.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


def forbid_actions() -> None:
    """Makes Python refuse, from now on, to start programs and to open connections."""

    def watch(event: str, _: Any) -> None:
        if event.startswith(_FORBIDDEN):
            raise Refused(f"it tried {event}, which is refused. Nothing was run.")

    sys.addaudithook(watch)


def load(source: str) -> dict[str, Any]:
    """Reads the tensors of a checkpoint; only ever with weights_only=True."""
    try:
        import torch
    except ImportError as error:
        raise Refused(f"PyTorch cannot be imported ({error}).") from error
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):
        raise Refused(f"PyTorch {torch.__version__} does not open untrusted files safely; install 2.6 or newer.")
    forbid_actions()
    check_archive(source)
    bound_memory(os.path.getsize(source))
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Refused:
        raise
    except Exception as error:
        raise Refused(_reason(error)) from error
    return _tensors(content, torch.Tensor)


def _reason(error: Exception) -> str:
    """Says why torch gave up, without passing on its advice to switch the safety off."""
    text = str(error)
    if asked := re.search(r"GLOBAL ([\w.]+)", text):
        return f"it asks to run {asked[1]}, which is refused. Nothing was run. Only plain weights are converted."
    if "Weights only load failed" in text:
        return "it is not a checkpoint of plain weights, and anything else is refused. Nothing was run."
    first = text.strip().splitlines()[0][:120] if text.strip() else "no more data"
    return f"it is damaged or not a PyTorch checkpoint ({type(error).__name__}: {first})."


def _tensors(content: Any, tensor_type: type) -> dict[str, Any]:
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not content:
        raise Refused("it holds no dictionary of tensors.")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, tensor_type):
            raise Refused(f"its entry {name!r} is a {type(tensor).__name__}, not a tensor.")
        if "strided" not in str(tensor.layout) or tensor.is_quantized:  # type: ignore[attr-defined]
            raise Refused(f"its tensor {name!r} is sparse or quantised, which is not supported.")
    prefix = "module."
    bare = all(name.startswith(prefix) for name in content)
    return {name[len(prefix) :] if bare else name: tensor for name, tensor in content.items()}


def check_archive(source: str) -> None:
    """Refuses an archive that is packed: torch stores the numbers as they are."""
    if not zipfile.is_zipfile(source):
        return
    try:
        with zipfile.ZipFile(source) as archive:
            total = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        # All that a damaged directory raises; NotImplementedError: an archive in parts, or of a later format.
        raise Refused("it is damaged or not a PyTorch checkpoint.") from error
    if total > os.path.getsize(source) + 2**20:
        raise Refused(f"it would unpack to {total:,} bytes, which is more than its file has. torch packs nothing.")


def bound_memory(size: int) -> None:
    """Lets memory grow, from here on, by what a checkpoint of so many bytes needs and little more."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        limit = used + _MOST_SHARED * size + _SPARE_FOR_LOADING
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def check_size(tensors: dict[str, Any], size: int) -> None:
    """Refuses tensors that are together far larger than their file: views that repeat the same few numbers."""
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if total > _MOST_SHARED * size:
        raise Refused(f"its tensors would take {total:,} bytes, its file has {size:,}: they are views, not weights.")


def main(source: str, target: str) -> int:
    """Converts `source` into `target` and prints the report."""
    try:
        limit_resources(os.path.getsize(source))
        tensors = load(source)
        check_size(tensors, os.path.getsize(source))
        from safetensors.torch import save_file

        dense = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
        save_file(dense, target, metadata={"format": "pt"})
        report: dict[str, Any] = {"tensors": len(dense)}
    except Refused as error:
        report = {"error": str(error)}
    except MemoryError:
        report = {"error": "it needs more memory than a checkpoint of its size should."}
    except Exception as error:
        report = {"error": f"it cannot be stored as safetensors ({error})."}
    print(json.dumps(report), flush=True)
    return 0 if "tensors" in report else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
