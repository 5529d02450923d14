"""What a run writes down: one row per judged thing, and the rows of a picture together as an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from promptseg.datasets.samples import Metadata
from promptseg.errors import FormatError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """How one thing went: a target, a phrase, a picture, or an object of a video.

    Attributes:
        picture: the name of its picture (or video).
        item: what it is, unique together with the picture.
        score: how good it was, from 0 to 1, by which cases are shown; None when it is no matter of degree.
        values: what was measured, plain JSON; each task knows its own.
        metadata: facts that results can be split by.
        shown: what a picture of this case needs, plain JSON: masks, clicks, a box, words.
    """

    picture: str
    item: str
    score: float | None
    values: Mapping[str, Any]
    metadata: Metadata = field(default_factory=dict[str, str])
    shown: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Row":
        """Reads what `to_json` wrote.

        Raises:
            FormatError: it is something else.
        """
        try:
            return cls(
                picture=str(record["picture"]),
                item=str(record["item"]),
                score=None if record["score"] is None else float(record["score"]),
                values=dict(record["values"]),
                metadata=dict(record["metadata"]),
                shown=dict(record["shown"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"This is no row of an evaluation: {str(record)[:80]}.") from error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitAnswer:
    """What one contestant did on one unit (a picture or a video).

    Attributes:
        unit: the unit's name.
        rows: how it went.
        seconds: the times that each kind of step took, such as {"picture": [0.5], "click": [0.02, 0.02]}.
        peak_memory: the most bytes that the contestant's process had in use so far, where known.
    """

    unit: str
    rows: tuple[Row, ...]
    seconds: Mapping[str, Sequence[float]]
    peak_memory: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON."""
        return {
            "unit": self.unit,
            "rows": [row.to_json() for row in self.rows],
            "seconds": {step: [round(value, 6) for value in values] for step, values in self.seconds.items()},
            "peak_memory": self.peak_memory,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "UnitAnswer":
        """Reads what `to_json` wrote.

        Raises:
            FormatError: it is something else.
        """
        try:
            return cls(
                unit=str(record["unit"]),
                rows=tuple(Row.from_json(row) for row in record["rows"]),
                seconds={step: [float(value) for value in values] for step, values in record["seconds"].items()},
                peak_memory=record["peak_memory"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"This is no answer of an evaluation: {str(record)[:80]}.") from error
