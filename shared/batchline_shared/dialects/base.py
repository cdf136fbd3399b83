"""What a dialect is: one provider's form of requests and answers, without any SDK.

The client uses it to check and encode requests as they stream in, the worker
to build a batch's lines and to read its results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from batchline_shared.dialects.verdict import Verdict

__all__ = ["Dialect", "FileLine", "Limits"]


class Limits(NamedTuple):
    """What one provider batch may hold."""

    max_requests: int
    max_bytes: int
    """Bytes of the input file, newlines included."""


class FileLine(NamedTuple):
    """One line of a batch file that a user hands in."""

    custom_id: str
    common: dict[str, Any]
    """The request body without what differs from row to row."""
    row: bytes
    """What does, as `encode_messages` makes it."""


class Dialect(Protocol):
    """One provider's form of requests and answers.

    A request body is a *template*, which all requests of a job share, and a
    *row*, which is either a JSON array (the conversation) or a JSON object
    (fields that win over the template's, the conversation among them).
    `tests/contract/test_dialect_contract.py` checks each one.
    """

    provider: str
    endpoint: str
    limits: Limits
    """Source: the provider's batch guide; see `docs/providers.md`."""

    def template(
        self,
        model_name: str,
        response_model: type[BaseModel] | None,
        *,
        max_tokens: int | None,
        temperature: float | None,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The part of the request body that all requests of a job share.

        Raises:
            SchemaError: The provider would refuse the response model.
            InvalidInputError: An option is none that a batch request may bear.
        """
        ...

    def encode_messages(self, messages: Any, row: int) -> bytes:
        """Check a conversation and encode it as a row.

        Raises:
            InvalidRequestError: It is no list of messages, a role does not exist, or something is not JSON.
        """
        ...

    def encode_request(self, messages: Any, overrides: Mapping[str, Any], row: int) -> bytes:
        """Check a conversation with options of its own, and encode both as a row.

        Raises:
            InvalidRequestError: As `encode_messages`, or an option is none.
        """
        ...

    def overrides(
        self, model_name: str, max_tokens: int | None, temperature: float | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The body fields of one request's own options.

        Raises:
            InvalidInputError: A value is out of range.
        """
        ...

    def line_ends(self, template: bytes) -> tuple[bytes, bytes, bytes]:
        """The bytes of a line around its id and its row: `head + id + middle + row + tail`.

        Holds for rows that are arrays; `object_row` turns the others into full bodies.
        """
        ...

    def object_line(self, wire_id: str, template: Mapping[str, Any], row: bytes) -> bytes:
        """A whole line for a row that is an object; null there means: go without this field."""
        ...

    def read_line(self, line: Mapping[str, Any], model_name: str) -> FileLine:
        """Take a user's batch file line apart.

        Raises:
            ValueError: It is no line of this provider, or of another model; says why.
        """
        ...

    def classify(self, line: Mapping[str, Any], *, structured: bool) -> Verdict:
        """Say what one line of a result file means; never raises."""
        ...

    def answer_text(self, line: Mapping[str, Any], *, structured: bool) -> str | None:
        """The answer in a result line; None where there is none.

        Where it is JSON (`structured`), it comes out of the code fence that some models put it in.
        """
        ...
