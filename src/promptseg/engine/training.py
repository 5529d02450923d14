"""Retraining on what was accepted: a new version of the model, compared on held-out pictures, kept or refused."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from promptseg.engine.measure import compare
from promptseg.engine.project import Project
from promptseg.engine.records import ModelVersion, path_of
from promptseg.errors import InputError, UnavailableError
from promptseg.files import claim
from promptseg.models.store import file_sha256
from promptseg.runtimes.options import EngineOptions
from promptseg.segment.cache import EmbeddingCache
from promptseg.segment.segmenter import Segmenter

RECIPE = "sam-finetune"
BATCHES = 4
"""Pictures of one step, which processes share out among themselves: 1, 2 or 4 of them make the same steps."""


def train_project(
    project: Project,
    *,
    adapters: int = 0,
    always: bool = False,
    engine: EngineOptions | None = None,
    on_note: Callable[[str], None] | None = None,
    **options: Any,
) -> ModelVersion | None:
    """Trains the version in use further on the accepted masks of all pictures that are not held out.

    The new version is used from now on if simulated users click better with it on the held-out pictures; else it is
    kept beside the others, as refused. A run that was stopped goes on. Under torchrun, all processes call this; the
    first one measures and writes, and the others return None.

    Args:
        project: what to learn from.
        adapters: rank of adapters in the image encoder, which then learns too; 0 leaves it as it is.
        always: use the new version however it compares, and also when no held-out picture is labelled.
        engine: the runtime, precision and threads that embed and measure.
        on_note: called with a line when something begins.
        options: of the recipe sam-finetune or of the run, such as `steps`, `objects`, `rounds`, `learning_rate`.

    Raises:
        UnavailableError: PyTorch is not installed.
        InputError: there is nothing to learn from or to compare on, or an option is impossible.
        WeightsError: the weights of the version in use are gone.
        OutputError: a file cannot be written, or another process trains the project.
    """
    with ExitStack() as stack:
        return _train(project, stack, adapters, always, engine, on_note, options)


def _train(
    project: Project,
    stack: ExitStack,
    adapters: int,
    always: bool,
    engine: EngineOptions | None,
    on_note: Callable[[str], None] | None,
    options: dict[str, Any],
) -> ModelVersion | None:
    try:
        from promptseg.train import pictures, ranks
        from promptseg.train.loop import train
        from promptseg.train.recipes.sam_finetune import finetuning
    except ImportError as error:
        raise UnavailableError.extra("PyTorch", "train") from error

    def tell(line: str) -> None:
        if on_note is not None:
            on_note(line)

    given = engine or EngineOptions()
    with ranks.joined():
        if ranks.rank() == 0:  # two would give their versions the same file
            used = f"Another process trains {project.folder}: wait for it, or stop it."
            stack.enter_context(claim(project.folder / "training.lock", used))
        held, learned = project.dataset(held=True), project.dataset(held=False)
        if not learned.samples:
            raise InputError(f"{project.folder} has no accepted mask to learn from: label pictures first.")
        if not held.samples and not always:
            kept = project.status().held
            raise InputError(
                f"No held-out picture of {project.folder} is labelled, so a new version cannot be compared. "
                + (
                    f"Label one of the {kept}"
                    if kept
                    else "None is held out: add pictures, or make one with more --held"
                )
                + ", or use it untested with --always."
            )
        parent, sha256 = project.versions.current, project.data_sha256()
        last = int(project.database.value("select coalesce(max(id), 0) from masks"))
        old = _segmenter(project, parent, given)
        cache = EmbeddingCache(project.folder / "cache" / "embeddings")
        lessons = project.folder / "cache" / f"lessons-{sha256[:16]}-{old.network.digest[:8]}"
        if ranks.rank() == 0:
            tell(f"preparing {len(learned.samples)} pictures with {learned.targets} masks")
            _prepare(pictures, learned, lessons, old, cache, adapters)
        ranks.gather(0)  # nobody reads before all is there
        options = {"adapters": adapters, "accumulate": BATCHES, "shared": True, **options}
        recipe = _recipe(finetuning, old, sorted(lessons.glob("*.npz")), project.folder.resolve().name, options)
        key = hashlib.sha256(json.dumps([sha256, parent.number, options], default=str).encode()).hexdigest()[:12]
        folder, file = project.folder / "models" / f"run-{key}", project.versions.next_file()
        tell(f"training {recipe.config.steps} steps; log and checkpoint in {folder}")
        train(recipe, folder, path_of(project.folder, file), quiet=True)
        ranks.gather(0)
        if ranks.rank():
            return None
    weights = path_of(project.folder, file)
    made = ModelVersion(
        number=0,
        parent=parent.number,
        made=time.time(),
        state="kept",
        recipe=RECIPE,
        options=json.loads(json.dumps(options, default=str)),
        data_sha256=sha256,
        pictures=len(learned.samples),
        masks=learned.targets,
        file=file,
        sha256=file_sha256(weights),
        figures={},
        last_mask=last,
    )
    if held.samples:
        tell(f"comparing on {len(held.samples)} held-out pictures")
        found = compare(held, old, Segmenter.of(replace(given, model=old.model, weights=weights), cache=cache))
        figures = {**found.figures, "gain": found.gain.mean, "gain low": found.gain.low, "gain high": found.gain.high}
        better = found.gain.mean > 0
        made = replace(made, figures={**figures, "pictures": found.pictures, "masks": found.masks})
        made = replace(made, state="kept" if better or always else "refused")
    version = project.versions.add(made, use=made.state == "kept")
    shutil.rmtree(folder, ignore_errors=True)
    for other in (project.folder / "cache").glob("lessons-*"):
        if other != lessons:
            shutil.rmtree(other, ignore_errors=True)
    return version


def _segmenter(project: Project, version: ModelVersion, given: EngineOptions) -> Any:
    known = project.versions.engine(version)
    cache = EmbeddingCache(project.folder / "cache" / "embeddings")
    return Segmenter.of(replace(given, model=known.model, weights=known.weights), cache=cache)


def _prepare(pictures: Any, learned: Any, lessons: Path, old: Any, cache: EmbeddingCache, adapters: int) -> None:
    def embed(image: Any) -> Any:
        return cache.embed(old.runtime, image, old.network).features

    pictures.prepare(learned, lessons, None if adapters else embed, name="picture", objects=64)


def _recipe(finetuning: Any, old: Any, lessons: list[Path], name: str, options: Mapping[str, Any]) -> Any:
    own = {key: value for key, value in options.items() if key in ("adapters", "objects", "rounds")}
    rest = {key: value for key, value in options.items() if key not in own}
    recipe = finetuning(old.network, lessons, name=name, **own)
    return replace(recipe, config=recipe.config.changed(**rest))
