"""SEEM Focal-T: time by stage and peak memory, ours and the official modules, each in a fresh process, in turn.

    python benchmarks/seem.py                          # ours, float32 and bfloat16
    python benchmarks/seem.py --official CHECKOUT      # and the official modules (branch v1.0), on a CPU

A picture of 480 x 640 at 512 on the short side, one phrase and two points, synthetic weights, 2 threads. Weights are
the same for both: by name, as tests/models/seem/seem_synthetic.py makes them, in a file that is made once (660 MB).
The official modules need their own imports (detectron2 and others), or stand-ins for them: a Python file named with
--prelude is run before they are imported. What all contestants answer is compared with the official answer.
"""

import argparse
import json
import resource
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE, INSIDE, PADDED = (480, 640), (512, 682), (512, 704)
OURS = ("float32", "bfloat16")
STAGES = ("backbone", "pixel decoder", "text", "decoder")
TESTS = Path(__file__).parents[1] / "tests" / "models" / "seem"
Measured = tuple[dict[str, float], np.ndarray, np.ndarray]
"""Seconds by stage, mask logits and captions of the queries."""
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


def ours(weights: Path, precision: str, threads: int, rounds: int) -> Measured:
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
        (kept["reply"],) = runtime.decode(kept.pop("features"), [SeemRequest(text=kept["phrases"], **request)])

    times = timed(dict(zip(STAGES, (backbone, pixel_decoder, text, decoder), strict=True)), rounds)
    return times, kept["reply"].masks, kept["reply"].captions


def official(weights: Path, checkout: Path, prelude: Path | None, threads: int, rounds: int) -> Measured:
    """The official modules, built from their own configuration; the demo decoder, phrase and stroke as extras."""
    if prelude is not None:
        runpy.run_path(str(prelude))
    sys.path.insert(0, str(checkout))
    import torch
    import yaml
    from modeling.architectures import build_model  # type: ignore[import-not-found]
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    options = yaml.safe_load((checkout / "configs" / "seem" / "focalt_unicl_lang_demo.yaml").read_text())
    options["device"] = "cpu"
    model = build_model(options).eval()
    wrong = model.load_state_dict(load_file(weights), strict=False)
    training_only = {"criterion.empty_weight", "dilation_kernel"}
    assert training_only.issuperset(wrong.missing_keys + wrong.unexpected_keys), wrong
    model.task_switch["grounding"] = True  # as the official demonstration does
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
        kept["reply"] = model.sem_seg_head.predictor(
            levels, mask_features, None, task="demo", extra=dict(kept["extra"])
        )

    times = timed(dict(zip(STAGES, (backbone, pixel_decoder, text, decoder), strict=True)), rounds)
    return times, kept["reply"]["pred_masks"][0].numpy(), kept["reply"]["pred_captions"][0].numpy()


def child(arguments: argparse.Namespace) -> None:
    if arguments.child == "official":
        checkout, prelude = arguments.official, arguments.prelude
        times, masks, captions = official(arguments.weights, checkout, prelude, arguments.threads, arguments.rounds)
    else:
        times, masks, captions = ours(arguments.weights, arguments.child, arguments.threads, arguments.rounds)
    times["sum"] = sum(times.values())
    times["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    np.savez(arguments.answer, masks=masks, captions=captions)
    print(json.dumps(times))


def distance(answer: Path, reference: Path) -> str:
    """Largest difference to the reference, as a part of the reference's largest number; and agreement of masks."""
    with np.load(answer) as ours, np.load(reference) as theirs:
        apart = {key: np.abs(ours[key] - theirs[key]).max() / np.abs(theirs[key]).max() for key in theirs}
        same = ((ours["masks"] > 0) == (theirs["masks"] > 0)).mean()
    return f"masks {apart['masks']:.1e}, captions {apart['captions']:.1e}, same pixels {same:.4%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official", type=Path, help="a checkout of the official code")
    parser.add_argument("--prelude", type=Path, help="a Python file to run before the official imports")
    parser.add_argument("--weights", type=Path, default=Path("out/seem-synthetic.safetensors"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="rounds per process")
    parser.add_argument("--turns", type=int, default=3, help="how often the contestants take turns")
    parser.add_argument("--only", nargs="+", help="contestants to run")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    arguments.weights.parent.mkdir(parents=True, exist_ok=True)
    synthetic_file(arguments.weights)
    contestants = arguments.only or [*(["official"] if arguments.official else []), *OURS]
    measured: dict[str, list[dict[str, float]]] = {contestant: [] for contestant in contestants}
    with tempfile.TemporaryDirectory() as folder:
        answers = {contestant: Path(folder) / f"{contestant}.npz" for contestant in contestants}
        for turn in range(arguments.turns):
            for contestant in contestants:
                command = [sys.executable, __file__, *sys.argv[1:], "--child", contestant]
                command += ["--answer", str(answers[contestant])]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(f"{contestant}: {done.stderr.strip()[-2000:]}")
                measured[contestant].append(json.loads(done.stdout.strip().splitlines()[-1]))
                print(turn, contestant, measured[contestant][-1], file=sys.stderr, flush=True)
        print("| contestant | " + " | ".join([*STAGES, "sum"]) + " | official / this | peak memory |")
        print("|---" * (len(STAGES) + 4) + "|")
        for contestant, runs in measured.items():
            cells = [f"{statistics.median(run[name] for run in runs):.3f} s" for name in (*STAGES, "sum")]
            ratio = ""
            if "official" in measured:
                pairs = [a["sum"] / b["sum"] for a, b in zip(measured["official"], runs, strict=True)]
                ratio = f"{statistics.median(pairs):.2f}x ({min(pairs):.2f} to {max(pairs):.2f})"
            peak = max(run["peak MB"] for run in runs)
            print(f"| {contestant} | " + " | ".join(cells) + f" | {ratio} | {peak:.0f} MB |")
        if "official" in contestants:
            for contestant in contestants:
                print(f"\n{contestant}: {distance(answers[contestant], answers['official'])}")


if __name__ == "__main__":
    main()
