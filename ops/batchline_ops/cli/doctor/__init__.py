"""`batchline doctor`: is everything that Batchline needs there, and set as it must be?"""

from __future__ import annotations

from batchline_ops.cli.doctor.examination import examine

__all__ = ["examine"]
