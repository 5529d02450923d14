"""The frame: lets contestants do a task on a dataset, keeps their answers, and sums them up.

All contestants take their turn on a unit before the next. Answers are kept on disk where a store is given; a run that
was stopped goes on where it was. With workers, units are shared out among processes, each with contestants of its own.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, TypeAlias

from promptseg.datasets.samples import Dataset
from promptseg.errors import InputError, PromptsegError
from promptseg.evaluate.contestants.contestant import Contestant, check_ability
from promptseg.evaluate.rows import UnitAnswer
from promptseg.evaluate.scene import Clock, Scene
from promptseg.evaluate.store import AnswerStore
from promptseg.evaluate.tasks.task import EvaluationTask
from promptseg.progress import Progress

OpensDataset: TypeAlias = Callable[[], Dataset]
"""Opens the dataset; the same one in every process."""

MakesContestants: TypeAlias = Callable[[], Sequence[Contestant]]
"""Makes the contestants; called once in every process."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluationRun:
    """The outcome of a run.

    Attributes:
        task: what was done.
        dataset: what it was done on.
        names: the contestants.
        settings: what else decides about each contestant's results.
        answers: for each contestant, one answer per unit, in the order of the dataset.
        seed: of all that was drawn at random.
    """

    task: EvaluationTask
    dataset: Dataset
    names: tuple[str, ...]
    settings: tuple[str, ...]
    answers: tuple[tuple[UnitAnswer, ...], ...]
    seed: int


def run(
    task: EvaluationTask,
    dataset: Dataset,
    contestants: Sequence[Contestant],
    *,
    store: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> EvaluationRun:
    """Lets contestants do a task, in this process.

    Args:
        task: what to do.
        dataset: the pictures and what is known about them.
        contestants: who is compared; the first is the one that others are compared with.
        store: a folder for answers; those that are there already are not made again.
        seed: of all that is drawn at random.
        progress: called after each unit.

    Raises:
        InputError: no contestant, two of one name, or one that cannot do the task; an answer that does not fit.
        FormatError: a label and its picture differ in size.
        OutputError: the store cannot be written.
    """
    _check(task, contestants)
    scenes = _scenes(task, dataset, seed)
    kept = None if store is None else AnswerStore(store)
    answers: list[list[UnitAnswer]] = []
    for done, scene in enumerate(scenes, start=1):
        answers.append([_answer(task, scene, contestant, kept) for contestant in contestants])
        scene.forget()
        if progress is not None:
            progress(done, len(scenes))
    return EvaluationRun(
        task=task,
        dataset=dataset,
        names=tuple(contestant.name for contestant in contestants),
        settings=tuple(contestant.settings for contestant in contestants),
        answers=tuple(zip(*answers, strict=True)),
        seed=seed,
    )


def run_in_workers(
    task: EvaluationTask,
    source: OpensDataset,
    lineup: MakesContestants,
    workers: int,
    *,
    store: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> EvaluationRun:
    """Lets contestants do a task in several processes; the answers are those of `run`, which says what else it takes.

    `source` opens the dataset and `lineup` makes the contestants; both are values that can be sent to a process.

    Raises:
        InputError: fewer than one worker, and as `run`.
    """
    if workers < 1:
        raise InputError(f"At least one worker is needed, got {workers}.")
    dataset = source()
    count = len(_scenes(task, dataset, seed))
    answers: dict[int, list[UnitAnswer]] = {}
    pool = ProcessPoolExecutor(
        min(workers, count),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_set_up,
        initargs=(task, source, lineup, store, seed),
    )
    with pool:
        facts = pool.submit(_introduce)
        waiting = {pool.submit(_answer_number, number): number for number in range(count)}
        try:
            for future in as_completed(waiting):
                answers[waiting[future]] = future.result()
                if progress is not None:
                    progress(len(answers), count)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        names, settings = facts.result()
    return EvaluationRun(
        task=task,
        dataset=dataset,
        names=names,
        settings=settings,
        answers=tuple(zip(*(answers[number] for number in range(count)), strict=True)),
        seed=seed,
    )


def _check(task: EvaluationTask, contestants: Sequence[Contestant]) -> None:
    names = [contestant.name for contestant in contestants]
    if not names or len(set(names)) < len(names):
        raise InputError(f"Give at least one contestant, each with a name of its own; got {names}.")
    for contestant in contestants:
        check_ability(contestant, task.ability)


def _scenes(task: EvaluationTask, dataset: Dataset, seed: int) -> list[Scene]:
    scenes = task.scenes(dataset, seed)
    if not scenes:
        raise InputError(f"{dataset.name} has nothing to do {task.name} on: no labelled picture is left.")
    return scenes


def _answer(task: EvaluationTask, scene: Scene, contestant: Contestant, store: AnswerStore | None) -> UnitAnswer:
    facts = _facts(task, scene, contestant)
    if store is not None and (known := store.load(contestant.name, scene.name, facts)):
        return known
    contestant.clock = Clock()
    if task.starts:
        image = scene.image()
        with contestant.clock.step("picture"):
            contestant.start(image)
    rows = task.judge(contestant, scene)
    answer = UnitAnswer(
        unit=scene.name, rows=tuple(rows), seconds=contestant.clock.seconds, peak_memory=contestant.peak_memory()
    )
    if store is not None:
        store.save(contestant.name, facts, answer)
    return answer


def _facts(task: EvaluationTask, scene: Scene, contestant: Contestant) -> dict[str, Any]:
    """Returns everything that decides about an answer."""
    return {
        "task": task.name,
        "settings": task.settings(),
        "contestant": [contestant.name, contestant.settings],
        "dataset": [scene.dataset.name, scene.dataset.layout],
        "classes": list(scene.dataset.class_names),
        "unit": scene.name,
        "targets": [
            [target.name, target.area, *target.phrases] for sample in scene.samples for target in sample.targets
        ],
        "metadata": [
            sorted({**sample.metadata, **target.metadata}.items())
            for sample in scene.samples
            for target in sample.targets
        ],
        "seed": scene.seed,
        "more": task.facts(scene),
    }


class _Worker:
    """What a worker process keeps between the units."""

    task: EvaluationTask
    scenes: list[Scene]
    contestants: Sequence[Contestant]
    store: AnswerStore | None
    error: PromptsegError | None = None


def _set_up(
    task: EvaluationTask, source: OpensDataset, lineup: MakesContestants, store: Path | None, seed: int
) -> None:
    try:
        contestants = lineup()
        _check(task, contestants)
        _Worker.scenes = _scenes(task, source(), seed)
    except PromptsegError as error:  # out of here it would only break the pool; whoever asks first gets it
        _Worker.error = error
        return
    _Worker.task, _Worker.contestants = task, contestants
    _Worker.store = None if store is None else AnswerStore(store)
    for contestant in contestants:
        Finalize(None, contestant.close, exitpriority=10)  # workers end without Python's own atexit


def _introduce() -> tuple[tuple[str, ...], tuple[str, ...]]:
    if _Worker.error is not None:
        raise _Worker.error
    contestants = _Worker.contestants
    return tuple(each.name for each in contestants), tuple(each.settings for each in contestants)


def _answer_number(number: int) -> list[UnitAnswer]:
    if _Worker.error is not None:
        raise _Worker.error
    scene = _Worker.scenes[number]
    answers = [_answer(_Worker.task, scene, each, _Worker.store) for each in _Worker.contestants]
    scene.forget()
    return answers
