"""No work is ever lost or misplaced: the scenarios of `guard.mjs`, which `make test-guard` plays by themselves."""

import pytest
from studio_server import Server, play


@pytest.mark.parametrize(
    "scenario", ["slow", "fast", "steps", "searches", "data", "queue", "tabs", "away", "files", "small"]
)
def test_work_is_kept(scenario: str, server: Server) -> None:
    play(scenario, server, "guard")
