"""The demo's requests: each a passage of a real README, with the truth about its package."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from batchline_ops.demo.packages import installed_packages
from batchline_ops.demo.passages import passages
from batchline_ops.demo.prompt import conversation
from batchline_shared.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchline_ops.demo.facts import PackageFacts
    from batchline_ops.demo.packages import InstalledPackage

__all__ = ["Corpus", "Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """One request, and what a perfect reader would answer."""

    custom_id: str
    """Such as `celery/passage-3`."""
    messages: list[dict[str, Any]]
    truth: PackageFacts


class Corpus:
    """Every question that can be asked of some packages, in an order that never changes."""

    def __init__(self, packages: Sequence[InstalledPackage] | None = None) -> None:
        """Take these packages; None: all that are installed here."""
        self.packages = installed_packages() if packages is None else list(packages)

    def questions(self, count: int) -> Iterator[Question]:
        """Stream the first `count` questions.

        Raises:
            InvalidInputError: The READMEs do not yield so many; raised after the last one.
        """
        truths = [package.facts() for package in self.packages]
        asked: Counter[int] = Counter()
        found = passages([package.readme for package in self.packages])
        for number, (index, passage) in enumerate(islice(found, count)):
            asked[index] += 1
            package = self.packages[index]
            yield Question(
                custom_id=f"{package.name}/passage-{asked[index]}",
                messages=conversation(package, passage, number),
                truth=truths[index],
            )
        if asked.total() < count:
            raise InvalidInputError(
                f"the READMEs of the {len(self.packages)} packages installed here yield {asked.total()} "
                f"passages, not {count}"
            )
