"""A day of work: twelve pictures, three classes, label all, correct five, review; all readers agree on the exports."""

import pytest
from studio_server import Server, play

pytest.importorskip("torch", reason="a small network learns from the exports")


@pytest.mark.parametrize("scenario", ["work", "japanese", "keys"])
def test_a_day(scenario: str, server: Server) -> None:
    play(scenario, server, "day", limit=3600)
