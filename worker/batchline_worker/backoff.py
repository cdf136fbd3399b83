"""How long to wait before trying again."""

from __future__ import annotations

import random

__all__ = ["delay_s", "jittered_s"]


def delay_s(attempt: int, *, base_s: float = 1.0, cap_s: float = 60.0) -> float:
    """Pick a random wait that grows with each attempt.

    Equal jitter: uniform in the upper half of min(cap, base · 2^attempt). The
    half that is certain keeps a refusing provider from being asked at once again.

    Args:
        attempt: 0 after the first failure.
        base_s: Upper bound of the first wait, in seconds.
        cap_s: Upper bound of every wait, in seconds.

    Source:
        AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
    """
    # 2.0**1024 overflows; past 63 the cap has long since won.
    ceiling = min(cap_s, base_s * 2.0 ** min(attempt, 63))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not a secret


def jittered_s(interval_s: float) -> float:
    """An interval give or take a tenth, so that what began together does not stay together."""
    return random.uniform(0.9, 1.1) * interval_s  # noqa: S311 - jitter, not a secret
