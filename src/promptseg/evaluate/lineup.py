"""Who takes part in a run, said in values that can be sent to other processes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from promptseg.errors import InputError
from promptseg.evaluate.catalogue import TASKS, find_task
from promptseg.evaluate.contestants.classical import ClassicalEdges
from promptseg.evaluate.contestants.contestant import Contestant
from promptseg.evaluate.contestants.ours import OfficialRecipe, Ours, usual_ways
from promptseg.evaluate.peers.process import Peer, PeerCommand, our_command
from promptseg.runtimes.options import EngineOptions

PROGRAM = Path(__file__).parent / "peers" / "program.py"

NAMED_PEERS = {
    "segment-anything": ("sam", "segment_anything"),
    "mobilesam-mirror": ("sam", "mobile_sam"),
    "grabcut": ("grabcut",),
}
"""Peers that are known by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """Makes the contestants of a task; calling it loads the models.

    Attributes:
        task: the task's name.
        engine: our model and what computes it; the threads are those of each contestant.
        ways: single ways of the task to compare; by default the usual ones.
        points_per_side: of our grid for edges.
        peers: who else takes part.
        recipe: whether SAM's official recipe takes part where it can.
    """

    task: str
    engine: EngineOptions = field(default_factory=EngineOptions)
    ways: tuple[str, ...] = ()
    points_per_side: int = 16
    peers: tuple[PeerCommand, ...] = ()
    recipe: bool = True

    def __post_init__(self) -> None:
        known = find_task(self.task).ways
        for way in self.ways:
            if not known:
                others = " and ".join(name for name, task in TASKS.items() if task.ways)
                raise InputError(f"Unknown way {way!r}: {self.task} has no --way; {others} have.")
            if way not in known:
                raise InputError(f"Unknown way {way!r}: expected one of {', '.join(known)}.")

    def __call__(self) -> list[Contestant]:
        """Returns the contestants; the first is the one that others are compared with.

        Raises:
            WeightsError: our weights are not at hand or do not fit the model.
            InputError: an unknown runtime, precision or device, or a peer that cannot be started.
            UnavailableError: the runtime is not installed.
        """
        ours = [Peer(our_command(self.engine), self._threads())] if find_task(self.task).alone else self._ours()
        return [*ours, *(Peer(peer, self._threads()) for peer in self.peers)]

    def _ours(self) -> Sequence[Contestant]:
        from promptseg.segment.sam import SamSegmenter
        from promptseg.segment.segmenter import Segmenter

        segmenter = Segmenter.of(self.engine)
        task = find_task(self.task)
        if task.ways:
            ways = self.ways or usual_ways(task.ability, "classes" in segmenter.abilities)
            return [Ours.by_way(segmenter, way) for way in ways]
        if task.rivals:
            name = f"promptseg {segmenter.model}"
            ours = Ours(segmenter, name, eager=False, points_per_side=self.points_per_side)
            return [ours, *(ClassicalEdges(rival()) for rival in task.rivals)]
        ours = Ours(segmenter, eager=task.questions == "many")
        if task.recipe and self.recipe and isinstance(segmenter, SamSegmenter):
            return [OfficialRecipe(segmenter), ours]
        return [ours]

    def _threads(self) -> int:
        if self.engine.threads is not None:
            return self.engine.threads
        from promptseg.runtimes.factory import default_threads

        return default_threads()


def named_peer(text: str, python: str, checkpoint: str | None = None) -> PeerCommand:
    """Returns how a peer is started that is known by name.

    Args:
        text: "grabcut", "segment-anything", "mobilesam-mirror" or "promptseg", the SAM ones perhaps with the name of
            their model: "segment-anything:vit_b".
        python: the interpreter of its environment.
        checkpoint: its weights.

    Raises:
        InputError: the name is unknown, or it needs weights and none are given.
    """
    name, _, model = text.partition(":")
    if name == "promptseg":
        more = ("--model", model) if model else ()
        more = (*more, "--weights", checkpoint) if checkpoint else more
        command = (python, "-m", "promptseg.evaluate.peers.serve", *more)
        return PeerCommand(command=command, name=f"promptseg of {Path(python).parent.parent.name or python}")
    if name not in NAMED_PEERS:
        raise InputError(
            f"Unknown peer {name!r}: expected {', '.join([*NAMED_PEERS, 'promptseg'])}, or give --peer-command."
        )
    kind = NAMED_PEERS[name]
    if kind[0] == "grabcut":
        return PeerCommand(command=(python, str(PROGRAM), *kind))
    if checkpoint is None:
        raise InputError(f"The peer {name} needs its weights: give --peer-weights FILE.")
    chosen = model or ("vit_t" if name == "mobilesam-mirror" else "vit_b")
    return PeerCommand(command=(python, str(PROGRAM), *kind, chosen, checkpoint))
