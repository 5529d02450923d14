"""The whole data engine with simulated annotators: three stages, two retrainings, judged on pictures of their own.

    python benchmarks/engine.py --data DATA -o out/ --limit 300

DATA has train/voc, train/coco, dev/voc and dev/coco. Annotators (promptseg.hands) click loosely, take
1.5 seconds a click and 3 seconds an object, stop at an IoU of 0.9, begin with the largest object, and leave a picture
after 30 seconds. They know nothing but the true objects: an automatic mask of something else is left out of the review.
A run that was stopped goes on: what people did is in the project.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from promptseg import Point, Segmenter
from promptseg.batch.labeler import LabelerSettings
from promptseg.datasets.open import open_dataset
from promptseg.engine import Lease, Project, ProjectMask, ProjectSettings
from promptseg.engine.automatic import label_automatically
from promptseg.engine.measure import clicked
from promptseg.engine.prefill import prefill, segmenter_of
from promptseg.engine.quality import quality, sample_for_review
from promptseg.engine.thresholds import choose_thresholds
from promptseg.engine.training import train_project
from promptseg.evaluate.summary import summarise
from promptseg.hands import prompts
from promptseg.masks.overlap import iou, iou_matrix
from promptseg.masks.rle import RLE
from promptseg.runtimes.options import EngineOptions
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.options import EverythingOptions

CLICK, OBJECT, CHECK = 1.5, 3.0, 1.5
"""Seconds of a click, of finding an object, and of looking at a proposal."""

STOP, MOST_CLICKS, SAME = 0.9, 10, 0.5
PERSON = "simulated"


class Clock:
    """Where the time goes: the model, and the engine around it."""

    def __init__(self) -> None:
        self.seconds = {"model": 0.0, "engine": 0.0}

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += time.perf_counter() - began


class Annotator:
    """Somebody who labels what is true, as people do."""

    def __init__(self, project: Project, truths: dict[str, list[RLE]], seed: int, clock: Clock) -> None:
        self.project, self.truths, self.seed, self.clock = project, truths, seed, clock

    def label(self, segmenter: Segmenter, stage: int, pictures: int) -> None:
        """Works on so many pictures, as the queue gives them."""
        done = self.project.database.value("select count(*) from visits where stage = ? and state <> 'open'", stage)
        for _ in range(max(0, pictures - done)):
            with self.clock.of("engine"):
                lease = self.project.work.take(PERSON)
            if lease is None or lease.stage != stage:
                return
            self._picture(segmenter, lease)

    def _picture(self, segmenter: Segmenter, lease: Lease) -> None:
        picture = lease.picture
        random = np.random.default_rng([self.seed, picture.id])
        truths = self.truths[picture.path]
        with self.clock.of("model"):
            embedded = segmenter.embed(picture.path)
        missing, spent = set(range(len(truths))), 0.0
        for mask in self.project.work.of(picture.id, "accepted"):  # of a run that was stopped
            missing -= {place for place in missing if iou(truths[place], mask.mask) >= SAME}
        proposed = self.project.work.of(picture.id, "proposed")
        table = iou_matrix([mask.mask for mask in proposed], truths)
        for row, mask in zip(table, proposed, strict=True):
            best = int(row.argmax()) if len(row) else -1
            found = best in missing and row[best] >= SAME
            spent += CHECK
            if found and row[best] >= STOP:
                missing.discard(best)
                with self.clock.of("engine"):
                    self.project.work.judge(mask.id, PERSON, accept=True, seconds=CHECK, clicks=1)
            elif found:
                missing.discard(best)
                spent += self._draw(segmenter, embedded, lease, truths[best], random, mask)
            elif lease.stage == 2:
                with self.clock.of("engine"):
                    self.project.work.judge(mask.id, PERSON, accept=False, seconds=CHECK, clicks=1)
        for place in sorted(missing, key=lambda place: -truths[place].area) if lease.stage < 3 else ():
            if spent >= lease.picture_seconds:
                break
            spent += self._draw(segmenter, embedded, lease, truths[place], random, None)
        with self.clock.of("engine"):
            if lease.stage == 3:  # what nobody can judge is taken out of the sample
                rows = zip(proposed, table, strict=True)
                unknown = [(mask.id,) for mask, row in rows if not len(row) or row.max() < SAME]
                self.project.database.insert_many("update masks set review = 0 where id = ?", unknown)
            self.project.work.finish(lease.visit, seconds=spent)

    def _draw(
        self,
        segmenter: Segmenter,
        embedded: EmbeddedImage,
        lease: Lease,
        truth: RLE,
        random: np.random.Generator,
        before: ProjectMask | None,
    ) -> float:
        dense, guess, clicks = truth.dense(), None, []
        with self.clock.of("model"):
            session = segmenter.session(embedded)
            while len(clicks) < MOST_CLICKS:
                if guess is None:
                    click = (*prompts.inner_point(dense, random), True)
                else:
                    click = prompts.correction(guess.dense(), dense, random, deepest=0.5)
                if click is None:
                    break
                clicks.append(click)
                guess = session.add(Point(click[0] - 0.5, click[1] - 0.5, click[2])).masks[0]
                if iou(guess, truth) >= STOP:
                    break
        seconds = OBJECT + CLICK * len(clicks)
        if guess is None or not guess.area:
            return seconds
        with self.clock.of("engine"):
            self.project.work.accept(
                ProjectMask(
                    lease.picture.id,
                    guess,
                    person=PERSON,
                    stage=lease.stage,
                    version=self.project.versions.current.number,
                    seconds=seconds,
                    clicks=len(clicks),
                    points=tuple((x, y) for x, y, _ in clicks),
                    corrects=None if before is None else before.id,
                )
            )
        return seconds


def truths_of(data: Path, limit: int) -> dict[str, list[RLE]]:
    """Returns the true objects of evenly strided pictures, by path."""
    found: dict[str, list[RLE]] = {}
    for name, share in (("voc", limit - limit // 2), ("coco", limit // 2)):
        for sample in open_dataset(data / "train" / name).pictures(share).samples:
            found[str(sample.picture.resolve())] = [target.rle() for target in sample.targets]
    return found


def one_click(data: Path, engine: EngineOptions, cache: Path, objects: int, note: str) -> dict[str, float]:
    """Measures a version on dev."""
    figures: dict[str, float] = {}
    for name in ("voc", "coco"):
        segmenter = Segmenter(engine.model, weights=engine.weights, cache=cache, threads=engine.threads)
        summary = summarise(clicked(open_dataset(data / "dev" / name, limit=objects), [(note, segmenter)]))
        figures |= {
            f"{name} {measure}": summary.results[0].reading(measure).value.mean for measure in ("IoU@1", "IoU@3")
        }
    return figures


def recall(project: Project, truths: dict[str, list[RLE]], stage: int) -> float:
    """Returns which share of the true objects of a stage's pictures has a mask (IoU of at least 0.75)."""
    hits = total = 0
    for picture in project.pictures.each("done"):
        if picture.stage != stage:
            continue
        masks = [mask.mask for mask in project.work.of(picture.id, "accepted")]
        true = truths[picture.path]
        total += len(true)
        hits += int((iou_matrix(true, masks).max(axis=1) >= 0.75).sum()) if masks else 0
    return hits / max(1, total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=300, help="pictures")
    parser.add_argument("--dev", type=int, default=300, help="objects of each dev set")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--review", type=int, default=20, help="automatically labelled pictures that people look at")
    parser.add_argument("--model", default="mobile-sam")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=None)
    given = parser.parse_args()
    output, engine = given.output, EngineOptions(threads=given.threads)
    output.mkdir(parents=True, exist_ok=True)
    truths = truths_of(given.data, given.limit)
    (output / "pictures.txt").write_text("\n".join(truths))
    settings = ProjectSettings(model=given.model, held=0.2, double=0.0, seed=given.seed)
    project = Project.create(output / "project", f"@{output / 'pictures.txt'}", settings)
    results_file, clock = output / "results.json", Clock()
    results = json.loads(results_file.read_text()) if results_file.exists() else {}
    annotator = Annotator(project, truths, given.seed, clock)

    def keep(name: str, value: Any) -> None:
        results[name] = value
        results["seconds"] = clock.seconds
        results_file.write_text(json.dumps(results, indent=1))
        print(name, json.dumps(value), flush=True)

    def judged(name: str) -> None:
        if name not in results:
            version = project.versions.engine(threads=given.threads)
            keep(name, one_click(given.data, version, output / "dev-embeddings", given.dev, name))

    keep("size", {**vars(given), "data": str(given.data), "output": str(output), "pictures": project.pictures.count()})

    def worked(stage: int, pictures: int) -> None:
        if f"stage {stage}" not in results:
            annotator.label(segmenter_of(project, engine), stage, pictures)
            work = project.status().work[stage - 1]
            keep(f"recall, stage {stage}", recall(project, truths, stage))
            keep(f"stage {stage}", {name: getattr(work, name) for name in work.__slots__})
        if f"trained after stage {stage}" not in results:
            version = train_project(
                project, engine=engine, steps=given.steps, on_note=lambda line: print(line, flush=True)
            )
            keep(f"trained after stage {stage}", {"state": version.state, **version.figures})
        judged(f"dev, after stage {stage}")

    half = project.pictures.count() // 2
    judged("dev, first version")
    worked(1, half)
    if "prefill" not in results:
        found = prefill(project, engine=engine)
        keep("prefill", {name: getattr(found, name) for name in found.__slots__})
    worked(2, project.pictures.count() - half)
    if "thresholds" not in results:
        found = choose_thresholds(project, segmenter_of(project, engine))
        keep("thresholds", {name: getattr(found, name) for name in found.__slots__})
    if "stage 3" not in results:
        chosen = results["thresholds"]
        options = EverythingOptions(
            pred_iou_thresh=chosen["pred_iou_thresh"],
            stability_score_thresh=chosen["stability_score_thresh"],
            min_mask_region_area=100,
        )
        made = label_automatically(
            project, LabelerSettings(engine=project.versions.engine(threads=given.threads), options=options), part=10
        )
        keep("stage 3", {"pictures": made.pictures, "masks": made.masks, "per_picture": made.masks / made.pictures})
    sample_for_review(project, given.review)
    annotator.label(segmenter_of(project, engine), 3, given.review)
    found = quality(project)
    keep("quality", {name: getattr(found, name) for name in found.__slots__})
    people = sum(row[0] for row in project.database.rows("select seconds from visits"))
    keep("overhead", clock.seconds["engine"] / max(1e-9, clock.seconds["model"] + people))
    project.close()


if __name__ == "__main__":
    main()
