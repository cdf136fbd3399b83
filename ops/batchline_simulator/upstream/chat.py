"""Any provider's question as a chat completion, and its reply as an answer."""

import json
from typing import Any

from batchline_simulator.responder import Answer, Finish, Question
from batchline_simulator.upstream.exchange import Reply, Request

_PATH = "/v1/chat/completions"
_ROLES = {"tool": "user"}
"""Roles that a conversation without tools has no place for."""
_FINISHES: dict[str, Finish] = {"length": "length", "content_filter": "content_filter"}
_KINDS = {400: "bad_request", 422: "bad_request", 429: "rate_limit"}
_OK = 200


class UpstreamFailedError(Exception):
    """The upstream server gave no answer; `kind` is the row fault that says the same."""

    def __init__(self, kind: str, status: int) -> None:
        super().__init__(f"the upstream server replied with status {status}")
        self.kind = kind


def chat_request(question: Question) -> Request:
    """Ask a question that came in another provider's form."""
    messages = [{"role": _ROLES.get(role, role), "content": text} for role, text in question.messages]
    body: dict[str, Any] = {"model": question.model, "messages": messages}
    if question.schema is not None:
        wanted = {"name": "answer", "schema": question.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return Request(_PATH, body)


def answer_of(reply: Reply) -> Answer:
    """Read what the model said.

    Raises:
        UpstreamFailedError: It said nothing.
    """
    if reply.status != _OK:
        raise UpstreamFailedError(_KINDS.get(reply.status, "server_error"), reply.status)
    try:
        choice = json.loads(reply.body)["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        refusal, text = message.get("refusal"), message.get("content")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UpstreamFailedError("server_error", reply.status) from None
    if isinstance(refusal, str):
        return Answer(refusal, finish="refusal")
    return Answer(text or "", finish=_FINISHES.get(finish, "stop"))
