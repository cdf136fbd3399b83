"""What a dialect is: one provider endpoint's form of requests and answers, without any SDK.

The client uses it to check and encode requests as they stream in, the worker
to build a batch's lines and to read its results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel

    from batchline_shared.accounts import Account
    from batchline_shared.dialects.verdict import Verdict

__all__ = ["Dialect", "FileLine", "Limits", "PromptMarker"]


class Limits(NamedTuple):
    """What one provider batch may hold."""

    max_requests: int
    max_bytes: int
    """Bytes of the input file, newlines included."""

    def of(self, account: Account) -> Limits:
        """The same with what an account says for itself."""
        return Limits(account.max_requests or self.max_requests, account.max_bytes or self.max_bytes)


class FileLine(NamedTuple):
    """One line of a batch file that a user hands in."""

    custom_id: str
    common: dict[str, Any]
    """The request body without the conversation."""
    conversation: dict[str, Any]
    """The fields of the body that hold the conversation."""
    row: bytes
    """The conversation as a fragment; see `Dialect`."""
    schema: Any = None
    """The response schema, where a batch may hold only one; None elsewhere, and where there is none."""


class PromptMarker(NamedTuple):
    """How the prompt that requests share is marked for the provider to cache."""

    template: dict[str, Any]
    """The job's, with its marks."""
    mark: Callable[[Any], Any]
    """Gives a conversation with its marks; one that shares nothing stays as it is."""


class Dialect(Protocol):
    """One provider endpoint's form of requests and answers.

    A request body is a *template*, which all requests of a job share, and a *row*. A row is either a
    JSON object, whose fields win over the template's, or a *fragment*: the text that follows the
    conversation's key in the body, such as `[…messages…]`, or `[…messages…],"system":"…"` where a
    conversation needs a second key. A fragment never begins with `{`, and is spliced in unparsed.
    `tests/contract/test_dialect_contract.py` checks each dialect.
    """

    provider: str
    endpoint: str
    """The provider's path of one request; what a job's record holds."""
    limits: Limits
    """Source: the provider's batch guide; see `docs/providers.md`."""
    one_template: bool
    """Whether all lines of a batch must share their template: Vertex AI loads them into one table."""
    id_field: str
    """The field of a request and of a result line that bears the request's id."""

    conversation_field: str
    """The field of a request's body that holds the conversation."""

    @property
    def inputs(self) -> Callable[[bytes], int] | None:
        """A function that says what a row counts of `Limits.max_requests`; None: each counts one."""
        ...

    @property
    def prompt_marker(self) -> Callable[[Mapping[str, Any], Sequence[Any], str], PromptMarker] | None:
        """A function of a template, the first conversations and a time to keep (`5m`, `1h`); never raises.

        None: the provider caches by itself.
        """
        ...

    def __init__(self, account: Account) -> None:
        """Speak for an account; its limits and paths win over the provider's."""
        ...

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

    def structured(self, template: Mapping[str, Any]) -> bool:
        """Whether answers to this template are JSON."""
        ...

    def encoder(self, template: Mapping[str, Any]) -> Callable[[Any, int], bytes]:
        """Make the function that checks a job's conversations and encodes each as a row.

        Args:
            template: The job's; what it says of the conversation (a system prompt) is minded.

        Returns:
            A function of the conversation and the request's number, which raises
            `InvalidRequestError`: it is no conversation, a role does not exist, or something is not JSON.
        """
        ...

    def encode_request(
        self, messages: Any, overrides: Mapping[str, Any], template: Mapping[str, Any], row: int
    ) -> bytes:
        """Check a conversation with options of its own, and encode both as a row that is an object.

        Raises:
            InvalidRequestError: As the `encoder`, or an option is none.
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
        """The bytes of a line around its id and its fragment: `head + id + middle + fragment + tail`."""
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

    def foreign_id(self, line: Mapping[str, Any]) -> str | None:
        """The id of a request that somebody else wrote, from its line or its result; None: it has none."""
        ...

    def kept(self, line: dict[str, Any], raw: bytes) -> bytes:
        """What is stored of a result line: the line as it came, but for an echo of the request."""
        ...

    def classify(self, line: Mapping[str, Any], *, structured: bool) -> Verdict:
        """Say what one line of a result file means; never raises."""
        ...

    def answer_text(self, line: Mapping[str, Any], *, structured: bool) -> str | None:
        """The answer in a result line; None where there is none.

        Where it is JSON (`structured`), it comes out of the code fence that some models put it in.
        """
        ...

    def reask(self, line: Mapping[str, Any], said: str) -> bytes | None:
        """What a conversation grows by when the answer in a result line is sent back.

        Args:
            line: A line whose answer is whole, but does not fit.
            said: What is wrong with it.

        Returns:
            The answer as the model's turn and what is said as the user's (see `reasking.turns`); None where
            the line holds nothing that could be sent back.
        """
        ...
