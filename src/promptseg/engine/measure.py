"""How good a version of the model is: simulated clicks on the project's held-out pictures, or on any labelled set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptseg.datasets.samples import Dataset
from promptseg.evaluate.contestants.ours import Ours
from promptseg.evaluate.measures import Interval
from promptseg.evaluate.run import EvaluationRun, run
from promptseg.evaluate.summary import summarise
from promptseg.evaluate.tasks.clicks import ClicksTask
from promptseg.segment.segmenter import Segmenter

CLICKS = 3
MEASURES = ("IoU@1", "IoU@3")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A new version beside the one it was trained from, on the same objects.

    Attributes:
        figures: IoU after one and three clicks of both, by name.
        gain: what the new one is better by after one click, with its 95 % interval over pictures.
        pictures: on so many pictures.
        masks: and so many objects.
    """

    figures: Mapping[str, float]
    gain: Interval
    pictures: int
    masks: int


def clicked(dataset: Dataset, segmenters: Sequence[tuple[str, Segmenter]], *, seed: int = 0) -> EvaluationRun:
    """Lets simulated users click on every object with each of some named segmenters.

    Raises:
        InputError: there is no object.
    """
    return run(ClicksTask(clicks=CLICKS), dataset, [Ours(each, name) for name, each in segmenters], seed=seed)


def compare(dataset: Dataset, old: Segmenter, new: Segmenter) -> Comparison:
    """Measures two segmenters on the same objects, which neither has learned from.

    Raises:
        InputError: there is no object.
    """
    summary = summarise(clicked(dataset, [("old", old), ("new", new)]))
    before, after = summary.results
    figures = {
        f"{name} {which}": result.reading(name).value.mean
        for name in MEASURES
        for which, result in (("before", before), ("after", after))
    }
    gain = after.reading("IoU@1").difference or Interval(0.0, 0.0, 0.0)
    return Comparison(figures, gain, len(dataset.samples), dataset.targets)
