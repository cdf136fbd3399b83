"""What the server needs of a provider."""

from abc import abstractmethod
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
    def routes(self) -> list[BaseRoute]:
        """Make the routes, with the whole path of each."""
