"""How servers that speak OpenAI's batch API differ from OpenAI's own.

Each quirk has a name and is on for the whole life of a process; `--quirks
bare-ids,no-object` gives two. Each was seen at some server that calls itself
compatible; none is seen at all of them, so readers must take any mixture.

* bare-ids             ids without `file-`, `batch_` or `batch_req_`
* null-counts          each of the request counts is null
* no-counts            `request_counts` is null
* no-object            a batch without `object`
* no-has-more          lists without `has_more`, `first_id` and `last_id`
* extra-keys           keys that nobody knows, in every object and line
* odd-statuses         other words for statuses before the end: queued, running, uploading, aborting
* uppercase-statuses   COMPLETED for completed
* links                `output_file_id` and `error_file_id` are relative links to the content
* empty-error-file     `error_file_id` names a file without a line where no request failed
* no-error-key         result lines without `error` where that is null
* string-body          the `body` in a result line is a string that holds JSON
* bare-paths           `/chat/completions` is taken for `/v1/chat/completions`, as Azure wants it
* api-key-header       the key may come as `api-key`, as Azure wants it
* mistakes-404, mistakes-422, mistakes-500   the status of every call that is wrong in itself
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from starlette.responses import JSONResponse, PlainTextResponse, Response

Quirk = Literal[
    "bare-ids",
    "null-counts",
    "no-counts",
    "no-object",
    "no-has-more",
    "extra-keys",
    "odd-statuses",
    "uppercase-statuses",
    "links",
    "empty-error-file",
    "no-error-key",
    "string-body",
    "bare-paths",
    "api-key-header",
    "mistakes-404",
    "mistakes-422",
    "mistakes-500",
]

ALL_QUIRKS: tuple[Quirk, ...] = get_args(Quirk)

_PREFIXES = ("file-", "batch_req_", "batch_")
_ODD = {
    "validating": "queued",
    "in_progress": "running",
    "finalizing": "uploading",
    "cancelling": "aborting",
}
_EXTRA = {"x_backend": {"engine": "compatible", "shard": 0}, "priority": None}
_MISTAKES = frozenset({400, 404, 409})

Object = dict[str, Any]


class Quirks:
    """Changes what is sent. Without a name in it, nothing."""

    def __init__(self, names: Iterable[Quirk] = ()) -> None:
        self._names = frozenset(names)

    def __contains__(self, name: Quirk) -> bool:
        """Say whether a quirk is on."""
        return name in self._names

    def id(self, made: str) -> str:
        """Shorten a new id to what is kept and shown."""
        prefix = next((prefix for prefix in _PREFIXES if made.startswith(prefix)), "")
        return made.removeprefix(prefix) if "bare-ids" in self else made

    def batch(self, doc: Object) -> Object:
        """Show a batch."""
        doc = self._with_status(self._with_counts(self._with_extra(doc)))
        if "links" in self:
            doc |= {name: _link(doc[name]) for name in ("output_file_id", "error_file_id") if doc[name]}
        return _without(doc, "object") if "no-object" in self else doc

    def file(self, doc: Object) -> Object:
        """Show a file."""
        return self._with_extra(doc)

    def page(self, doc: Object) -> Object:
        """Show a list."""
        return _without(doc, "has_more", "first_id", "last_id") if "no-has-more" in self else doc

    def line(self, line: Object) -> Object:
        """Write a line of a result file."""
        line = self._with_extra(line)
        if "string-body" in self and line["response"] is not None:
            line["response"] = line["response"] | {"body": json.dumps(line["response"]["body"])}
        return _without(line, "error") if "no-error-key" in self and line["error"] is None else line

    def mistake(self, refusal: Response) -> Response:
        """Respell OpenAI's reply to what the caller did wrong; one about keys, sizes or rates stays."""
        if refusal.status_code not in _MISTAKES:
            return refusal
        message = json.loads(bytes(refusal.body))["error"]["message"]
        if "mistakes-404" in self:
            return JSONResponse({"detail": message}, 404)
        if "mistakes-422" in self:
            found = {"type": "value_error", "loc": ["body"], "msg": message}
            return JSONResponse({"detail": [found]}, 422)
        return PlainTextResponse("Internal Server Error", 500) if "mistakes-500" in self else refusal

    def _with_extra(self, doc: Object) -> Object:
        return {**doc, **_EXTRA} if "extra-keys" in self else dict(doc)

    def _with_counts(self, doc: Object) -> Object:
        if "no-counts" in self:
            return doc | {"request_counts": None}
        if "null-counts" in self:
            return doc | {"request_counts": dict.fromkeys(doc["request_counts"])}
        return doc

    def _with_status(self, doc: Object) -> Object:
        status = str(doc["status"])
        status = _ODD.get(status, status) if "odd-statuses" in self else status
        return doc | {"status": status.upper() if "uppercase-statuses" in self else status}


def _link(file_id: str) -> str:
    return f"/v1/files/{file_id}/content"


def _without(doc: Mapping[str, Any], *names: str) -> Object:
    return {key: value for key, value in doc.items() if key not in names}
