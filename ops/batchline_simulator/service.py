"""What the server needs of a provider."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from starlette.routing import BaseRoute

from batchline_simulator.core import BatchLife


class Service(Protocol):
    """One provider, assembled: its routes and its running batches."""

    @property
    @abstractmethod
    def life(self) -> BatchLife:
        """The batches that it runs."""

    @abstractmethod
    def routes(self) -> Sequence[BaseRoute]:
        """Make the routes, with the whole path of each."""
