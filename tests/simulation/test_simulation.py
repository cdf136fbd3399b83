"""Workers die, freeze and race at every call, Redis and the provider fail, and what is promised holds.

Each seed is another play, and the same one again: `BATCHLINE_TEST_SEEDS=1000:2000` tries others.
"""

from __future__ import annotations

import os

import pytest

from simulation.clockwork import play
from simulation.promises import broken, left
from simulation.world import World

_SEEDS = range(*map(int, os.environ.get("BATCHLINE_TEST_SEEDS", "0:16").split(":")))


@pytest.mark.parametrize("seed", _SEEDS)
def test_whatever_happens_each_request_ends_once_is_paid_once_and_leaves_nothing(seed: int) -> None:
    with play(seed) as stage:
        world = World(stage)
        world.run()
        found = broken(world)
        world.outlive()
        found += left(world)

    assert found == [], [(one.texts[0], one.options, one.acts) for one in world.wishes]
