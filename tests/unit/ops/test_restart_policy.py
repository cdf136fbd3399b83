"""How soon a service that ended is started again."""

from __future__ import annotations

import pytest

from batchline_ops.supervisor import RestartPolicy


@pytest.mark.parametrize("failures", [1, 2, 5, 20, 5000])
def test_a_wait_is_never_longer_than_the_cap_nor_than_the_doubled_base(failures: int) -> None:
    policy = RestartPolicy(base_s=0.5, cap_s=30.0)
    ceiling = 30.0 if failures > 7 else 0.5 * 2 ** (failures - 1)

    assert all(0.0 <= policy.delay_s(failures) <= ceiling for _ in range(200))


def test_waits_are_spread_over_the_whole_interval() -> None:
    waits = [RestartPolicy(base_s=1.0, cap_s=1.0).delay_s(1) for _ in range(500)]

    assert min(waits) < 0.2
    assert max(waits) > 0.8
