"""How long a worker waits before it tries again."""

from __future__ import annotations

import pytest

from batchline_worker.backoff import delay_s, jittered_s


@pytest.mark.parametrize("attempt", [0, 1, 5, 63, 5000])
def test_a_wait_is_between_half_and_the_whole_of_the_doubled_base_or_the_cap(attempt: int) -> None:
    ceiling = 60.0 if attempt > 5 else 2.0**attempt
    waits = [delay_s(attempt, base_s=1.0, cap_s=60.0) for _ in range(200)]

    assert ceiling / 2 <= min(waits)
    assert max(waits) <= ceiling


def test_an_interval_varies_by_a_tenth() -> None:
    waits = [jittered_s(10.0) for _ in range(500)]

    assert 9.0 <= min(waits) < 9.5
    assert 10.5 < max(waits) <= 11.0
