"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine may stand still for a moment; how fast we are is held by benchmarks.
settings.register_profile("batchline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("batchline")
