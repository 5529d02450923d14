"""SEEM Focal-T: time by stage and peak memory, ours and the official modules, each in a fresh process, in turn.

    python benchmarks/seem.py                          # ours, float32 and bfloat16
    python benchmarks/seem.py --official CHECKOUT      # and the official modules (branch v1.0), on a CPU

A picture of 480 x 640 at 512 on the short side, one phrase and two points, synthetic weights, 2 threads. Weights are
the same for both: by name, as tests/models/seem/seem_synthetic.py makes them, in a file that is made once (660 MB).
The official modules need their own imports (detectron2 and others) or stand-ins for them on PYTHONPATH.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE, INSIDE, PADDED = (480, 640), (512, 682), (512, 704)
STAGES = ("backbone", "pixel decoder", "text", "decoder")
TESTS = Path(__file__).parents[1] / "tests" / "models" / "seem"
IDS = [49406, 320, 736, 17143, 49407] + [49407] * 72


def synthetic_file(path: Path) -> Path:
    if not path.exists():
        sys.path.append(str(TESTS))
        from safetensors.torch import save_file
        from seem_synthetic import synthetic_weight

        from promptseg.models.seem.keys import expected_shapes

        shapes = expected_shapes("seem-focal-t")
        save_file({key: synthetic_weight(key, shape) for key, shape in shapes.items()}, path)
    return path


def touched() -> np.ndarray:
    mask = np.zeros(INSIDE, bool)
    mask[250:253, 300:303] = mask[300:303, 400:403] = True
    return mask


def picture() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, 3, *PADDED)).astype(np.float32)


def timed(stages: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each stage after one round to warm up; stages of a round run in order."""
    taken: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(rounds + 1):
        for name, stage in stages.items():
            start = time.perf_counter()
            stage()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def ours(weights: Path, precision: str, threads: int, rounds: int) -> dict[str, float]:
    import torch

    from promptseg.models.registry import get_card
    from promptseg.runtimes.seem import SeemFeatures, SeemRequest, SeemRuntime

    runtime = SeemRuntime(get_card("seem-focal-t"), weights, threads=threads, precision=precision)
    model = runtime._loaded()
    image = torch.from_numpy(picture()).to(runtime._type)
    kept: dict[str, Any] = {}
    request: dict[str, Any] = {"positive": touched(), "negative": np.zeros(INSIDE, bool)}

    def backbone() -> None:
        with torch.inference_mode():
            kept["maps"] = model.backbone(image)

    def pixel_decoder() -> None:
        with torch.inference_mode():
            kept["features"] = SeemFeatures(model.pixel_decoder(kept.pop("maps")))

    def text() -> None:
        kept["phrases"] = runtime.read(np.array([IDS]))

    def decoder() -> None:
        runtime.decode(kept.pop("features"), [SeemRequest(text=kept["phrases"], **request)])

    return timed(dict(zip(STAGES, (backbone, pixel_decoder, text, decoder), strict=True)), rounds)


def official(weights: Path, checkout: Path, threads: int, rounds: int) -> dict[str, float]:
    """The official modules, built from their own configuration; the demo decoder, phrase and stroke as extras."""
    sys.path.insert(0, str(checkout))
    import torch
    import yaml
    from modeling.architectures import build_model  # type: ignore[import-not-found]
    from modeling.BaseModel import BaseModel  # type: ignore[import-not-found]
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    options = yaml.safe_load((checkout / "configs" / "seem" / "focalt_unicl_lang_demo.yaml").read_text())
    options["device"] = "cpu"
    model = BaseModel(options, build_model(options)).model.eval()
    model.load_state_dict(load_file(weights), strict=False)
    language = model.sem_seg_head.predictor.lang_encoder
    language.default_text_embeddings = torch.nn.functional.normalize(torch.randn(134, 512), dim=1)
    image = torch.from_numpy(picture())
    mask = torch.zeros(1, *PADDED, dtype=torch.bool)
    mask[0, : INSIDE[0], : INSIDE[1]] = torch.from_numpy(touched())
    tokens = {
        "input_ids": torch.tensor([IDS]),
        "attention_mask": torch.tensor([[index <= IDS.index(49407) for index in range(len(IDS))]]),
    }
    kept: dict[str, Any] = {}

    @torch.no_grad()
    def backbone() -> None:
        kept["maps"] = model.backbone(image)

    @torch.no_grad()
    def pixel_decoder() -> None:
        kept["features"] = model.sem_seg_head.pixel_decoder.forward_features(kept["maps"])

    @torch.no_grad()
    def text() -> None:
        embedded = language.get_text_token_embeddings(tokens, name="grounding", token=True, norm=False)
        phrase = embedded["token_emb"][tokens["attention_mask"]][:, None]
        kept["extra"] = {
            "grounding_tokens": phrase,
            "grounding_nonzero_mask": torch.zeros(1, len(phrase), dtype=torch.bool),
            "spatial_query_pos_mask": [mask],
            "spatial_query_neg_mask": [torch.zeros_like(mask)],
        }

    @torch.no_grad()
    def decoder() -> None:
        mask_features, _, levels = kept["features"]
        model.sem_seg_head.predictor(levels, mask_features, None, task="demo", extra=dict(kept["extra"]))

    return timed(dict(zip(STAGES, (backbone, pixel_decoder, text, decoder), strict=True)), rounds)


def child(arguments: argparse.Namespace) -> None:
    if arguments.child == "official":
        times = official(arguments.weights, arguments.official, arguments.threads, arguments.rounds)
    else:
        times = ours(arguments.weights, arguments.child, arguments.threads, arguments.rounds)
    times["sum"] = sum(times.values())
    times["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(times))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--official", type=Path, help="a checkout of the official code")
    parser.add_argument("--weights", type=Path, default=Path("out/seem-synthetic.safetensors"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="rounds per process")
    parser.add_argument("--turns", type=int, default=2, help="how often the contestants take turns")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    arguments.weights.parent.mkdir(parents=True, exist_ok=True)
    synthetic_file(arguments.weights)
    contestants = ["float32", "bfloat16", *(["official"] if arguments.official else [])]
    for turn in range(arguments.turns):
        for contestant in contestants:
            command = [sys.executable, __file__, *sys.argv[1:], "--child", contestant]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{contestant}: {done.stderr.strip()[-2000:]}")
            times = json.loads(done.stdout.strip().splitlines()[-1])
            print(
                turn, f"{contestant:9}", *(f"{name} {value:.3f}" for name, value in times.items()), flush=True
            )


if __name__ == "__main__":
    main()
