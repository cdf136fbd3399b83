"""What every provider's batches share: their life, their requests, their tools.

A provider is a `Trade` and its routes; see `trade` for what it must bring.
"""

from batchline_simulator.core.life import BatchLife
from batchline_simulator.core.run import Run
from batchline_simulator.core.trade import Desk, Fields, Line, Relay, Row, Trade
from batchline_simulator.core.workshop import Workshop, drawn_plan

__all__ = ["BatchLife", "Desk", "Fields", "Line", "Relay", "Row", "Run", "Trade", "Workshop", "drawn_plan"]
