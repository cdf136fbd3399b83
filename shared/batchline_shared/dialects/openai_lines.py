"""What the lines of every OpenAI endpoint have in common: `{"custom_id", "method", "url", "body"}`.

The conversation's field differs by endpoint (`messages`, `input`), and so does what a body may bear.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.dialects.answers import text_id
from batchline_shared.dialects.base import FileLine, Limits
from batchline_shared.dialects.messages import encode
from batchline_shared.dialects.openai_options import check_options
from batchline_shared.dialects.openai_results import answer_text, classify
from batchline_shared.dialects.reasking import turns
from batchline_shared.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchline_shared.accounts import Account
    from batchline_shared.dialects.openai_options import Rule
    from batchline_shared.dialects.verdict import Verdict

__all__ = ["OpenAILines", "is_reasoning"]

_REASONING: Final = re.compile(r"(?:ft:)?(?:o[1-9]|gpt-(?:[5-9]|\d\d))")

_FOREIGN = {"params": "anthropic", "request": "google", "key": "gemini"}


def is_reasoning(model_name: str) -> bool:
    """Whether a model refuses `max_tokens` and any `temperature` but 1; by name, as OpenAI has no flag."""
    return _REASONING.match(model_name) is not None


class OpenAILines:
    """Lines of one endpoint; a subclass says what a body holds."""

    provider = "openai"
    id_field = "custom_id"
    one_template = False
    inputs: Callable[[bytes], int] | None = None
    prompt_marker = None
    endpoint: str
    conversation_field: str
    """The body's field that holds the conversation."""
    reserved: Mapping[str, str]
    """Body fields that cannot be set as options, and why."""
    rules: Mapping[str, Rule]
    """Body fields that are known, and what they must be."""

    def __init__(self, account: Account) -> None:
        """See `Dialect`."""
        # OpenAI's Batch guide, read 2026-09-26: 50,000 requests, 200 MB.
        self.limits = Limits(max_requests=50_000, max_bytes=200_000_000).of(account)
        self.at_openai = account.base_url is None
        """Whether OpenAI's own words and limits hold. An address in the environment counts as OpenAI's."""
        self.url = account.path_prefix + self.endpoint.removeprefix("/v1")

    def conversation(self, given: Any, row: int) -> Any:
        """Check a conversation and return it as the body holds it.

        Raises:
            InvalidRequestError: Says what is wrong with it.
        """
        raise NotImplementedError

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Refuse options that a batch, one outcome for each request, or the endpoint does not allow.

        Raises:
            InvalidInputError: Names the option and the reason.
        """
        check_options(options, reserved=self.reserved, rules=self.rules, at_openai=self.at_openai)

    def encoder(self, template: Mapping[str, Any]) -> Callable[[Any, int], bytes]:
        """See `Dialect`."""
        del template  # an OpenAI body has no second place for a conversation
        return self._encode

    def _encode(self, conversation: Any, row: int) -> bytes:
        return encode(self.conversation(conversation, row), row)

    def encode_request(
        self, messages: Any, overrides: Mapping[str, Any], template: Mapping[str, Any], row: int
    ) -> bytes:
        """See `Dialect`."""
        del template
        return encode({**overrides, self.conversation_field: self.conversation(messages, row)}, row)

    def line_ends(self, template: bytes) -> tuple[bytes, bytes, bytes]:
        """See `Dialect`."""
        field = self.conversation_field.encode()
        middle = b'","method":"POST","url":"%b","body":%b,"%b":' % (self.url.encode(), template[:-1], field)
        return b'{"custom_id":"', middle, b"}}\n"

    def object_line(self, wire_id: str, template: Mapping[str, Any], row: bytes) -> bytes:
        """See `Dialect`. A field that the row sets to null is left out: the row is to go without it."""
        body = {name: value for name, value in {**template, **orjson.loads(row)}.items() if value is not None}
        line = {"custom_id": wire_id, "method": "POST", "url": self.url, "body": body}
        return orjson.dumps(line) + b"\n"

    def read_line(self, line: Mapping[str, Any], model_name: str) -> FileLine:
        """See `Dialect`."""
        for key, provider in _FOREIGN.items():
            if key in line and "body" not in line:
                raise ValueError(f"this is a request for {provider}, not for {self.provider}")
        custom_id, body = line.get("custom_id"), line.get("body")
        if not isinstance(custom_id, str):
            raise ValueError("custom_id must be a string")  # noqa: TRY004 - one class for a bad line
        if line.get("method") != "POST":
            raise ValueError('method must be "POST"')
        if line.get("url") not in (self.endpoint, self.url):
            raise ValueError(f'url must be "{self.url}", not {line.get("url")!r}')
        if not isinstance(body, dict):
            raise ValueError("body must be an object")  # noqa: TRY004 - one class for a bad line
        if body.get("model") != model_name:
            raise ValueError(f"body.model is {body.get('model')!r}, but the job is for {model_name!r}")
        if body.get("stream"):
            raise ValueError("body.stream: a batch cannot stream")
        common = dict(body)
        try:
            conversation = self.conversation(common.pop(self.conversation_field, None), 0)
            row = encode(conversation, 0)
        except InvalidRequestError as error:
            raise ValueError(f"body.{error.reason}") from None
        return FileLine(custom_id, common, {self.conversation_field: conversation}, row)

    def foreign_id(self, line: Mapping[str, Any]) -> str | None:
        """See `Dialect`."""
        return text_id(line.get(self.id_field))

    def kept(self, line: dict[str, Any], raw: bytes) -> bytes:
        """See `Dialect`. OpenAI echoes nothing."""
        del line
        return raw

    def classify(self, line: Mapping[str, Any], *, structured: bool) -> Verdict:
        """See `Dialect`."""
        return classify(line, structured=structured)

    def answer_text(self, line: Mapping[str, Any], *, structured: bool) -> str | None:
        """See `Dialect`."""
        return answer_text(line, structured=structured)

    def reask(self, line: Mapping[str, Any], said: str) -> bytes | None:
        """See `Dialect`. Chat and responses write these turns alike."""
        text = answer_text(line, structured=False)
        if text is None or not text.strip():
            return None
        return turns({"role": "assistant", "content": text}, {"role": "user", "content": said})
