"""What can be made to go wrong, and when it does.

A fault names a call and a kind. `row` is a call too: it stands for one request
inside a batch (see `row_faults`). Armed faults live in memory, so a restart
forgets them; the plan of a batch that already drew one is kept with the batch.

OpenAI's calls are named as its SDK spells them, `batches.create`; those of the
others have the provider's name before that: `anthropic.batches.create`, or
Google's own words, `gcs.objects.get`. Which kinds a call knows depends on the
rest of its name only.

Kinds for any call, and whether the call took effect first:

* drop_before      connection reset, no effect      * drop_after      effect, then reset
* delay_before     wait `seconds`, then go on       * delay_after     effect, then wait `seconds`
* error_before     `status` (500), no effect        * error_after     effect, then `status` (500)
* bad_gateway      502 with HTML, no effect         * html            effect, then 200 with HTML
* unavailable      503, no effect                   * signal          effect, then signal `number` to `pid`
                                                    * half_reply      effect, then half of the reply
* rate_limit       429 with `retry_after`           * quota           out of money or of quota
* unauthorized     401

For every `batches.create`, settled for the life of that batch:

* cannot_find_file   fails validation although the file is there; Gemini refuses the call
* all_failed         completed, every request an error, no output file
* empty_error_file   `error_file_id` is "" instead of null
* expire             expires with `fraction` of the requests not run; with the `value`
                     "JOB_STATE_PARTIALLY_SUCCEEDED" a Vertex job ends in that state instead
* stuck              stays in the status `value` ("finalizing")
* list_lag           lists leave it out for `seconds`
* archived           ends, and its results are gone (Anthropic)
* system_error       fails with code 13 when everything has run (Google)
* error_details      objects in the `details` of the batch's error and of its rows' (Google)

For every `batches.list`, in that reply only:

* shifting_pages     three batches at most, and the first of each further page is the last of the page before,
                     as if another batch had been created between the two calls

For every `batches` call that shows a batch, in that reply only:

* unknown_status     `status` is `value` ("archiving")
* missing_counts     no `request_counts`

For every call that sends a file or results, in that reply only:

* not_found          404          * truncated    ends inside the last line, with a length to match
* bom, crlf, blank_line           * cut          the connection ends inside the last line
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from batchline_simulator.row_faults import ROW_KINDS

ROW_CALL = "row"

_SHORT_PAGE = 3

ANY_CALL_KINDS = frozenset(
    [
        "drop_before",
        "delay_before",
        "error_before",
        "bad_gateway",
        "unavailable",
        "rate_limit",
        "quota",
        "unauthorized",
        "drop_after",
        "delay_after",
        "error_after",
        "html",
        "signal",
        "half_reply",
    ]
)
"""Kinds that the gateway carries out, whatever the call."""

BATCH_KINDS = frozenset(
    [
        "cannot_find_file",
        "all_failed",
        "empty_error_file",
        "expire",
        "stuck",
        "list_lag",
        "archived",
        "system_error",
        "error_details",
    ]
)
"""Kinds that are kept with the batch whose creation drew them."""

REPLY_KINDS = frozenset({"unknown_status", "missing_counts"})
"""Kinds that change one batch object on its way out."""

LIST_KINDS = frozenset({"shifting_pages"})
"""Kinds that change one page of a list."""

CONTENT_KINDS = frozenset({"not_found", "truncated", "cut", "bom", "crlf", "blank_line"})
"""Kinds that change what one download of a file sends."""

_BATCH_VERBS = ("create", "retrieve", "list", "cancel")
_FILE_VERBS = ("create", "retrieve", "list", "content", "delete")
_VERBS = {
    "batches": _BATCH_VERBS,
    "files": _FILE_VERBS,
    "anthropic.batches": (*_BATCH_VERBS, "results", "delete"),
    "vertex.batches": (*_BATCH_VERBS, "delete"),
    "gemini.batches": (*_BATCH_VERBS, "delete"),
    "gemini.files": _FILE_VERBS,
    "gcs.objects": ("create", "get", "list", "content", "delete"),
    "gcs.buckets": ("create", "get"),
    "google": ("token",),
    # Live calls, of one request each.
    "chat.completions": ("create",),
    "responses": ("create",),
    "embeddings": ("create",),
    "anthropic.messages": ("create",),
    "vertex.models": ("generate",),
    "gemini.models": ("generate",),
}

CALLS = frozenset({ROW_CALL, *(f"{noun}.{verb}" for noun, verbs in _VERBS.items() for verb in verbs)})
"""Calls that a fault can be armed for."""


class Fault(BaseModel):
    """One thing that goes wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    call: str
    """`row`, or the call as the SDK spells it: `batches.create`."""

    kind: str
    """What happens; the module's docstring lists the kinds."""

    match: str | None = None
    """A part that the call's path must have, such as a file's id. None: any path."""

    times: int | None = Field(default=None, ge=1)
    """How often at most. Default: once where no rate is given, else without end."""

    rate: float = Field(default=1.0, ge=0.0, le=1.0)
    """Chance per call. For rows the draw is fixed by batch and custom id."""

    skip: int = Field(default=0, ge=0)
    """Calls that go well first."""

    seconds: float = Field(default=0.0, ge=0.0)
    """Length of a delay or lag in real seconds; `speed` does not shorten it."""

    retry_after: float | None = None
    """Value of the `retry-after` header, in seconds. None sends no header."""

    should_retry: bool | None = None
    """Value of the `x-should-retry` header. None sends no header."""

    status: int = Field(default=500, ge=400, le=599)
    """HTTP status of `error_before` and `error_after`."""

    fraction: float = Field(default=0.5, ge=0.0, le=1.0)
    """Part of the requests that `expire` leaves unrun."""

    value: str | None = None
    """Status name for `stuck`, `unknown_status` and `expire`."""

    pid: int | None = Field(default=None, gt=1)
    """Process that `signal` hits. None: the one that made the call (Linux only)."""

    number: int = 9
    """Signal number; 9 is SIGKILL."""

    @model_validator(mode="after")
    def _fits(self) -> "Fault":
        if self.call not in CALLS:
            raise ValueError(f"unknown call {self.call!r}; known: {', '.join(sorted(CALLS))}")
        if self.kind not in kinds_of(self.call):
            raise ValueError(
                f"{self.call} has no fault {self.kind!r}; known: {', '.join(sorted(kinds_of(self.call)))}"
            )
        if self.call == ROW_CALL and (self.times is not None or self.skip or self.match is not None):
            raise ValueError("a row fault takes `rate` only; mark the request to break it a number of times")
        return self

    @property
    def limit(self) -> int | None:
        """How often the fault may strike; None is without end."""
        return 1 if self.times is None and "rate" not in self.model_fields_set else self.times


FAULT_LIST = TypeAdapter(list[Fault])
"""Reads the body of `POST /_sim/faults` and the file of `--faults`."""


def kinds_of(call: str) -> frozenset[str]:
    """Say which kinds a call knows."""
    if call == ROW_CALL:
        return ROW_KINDS
    noun, _, verb = call.rpartition(".")
    kinds = ANY_CALL_KINDS
    if verb in {"content", "results"}:
        kinds |= CONTENT_KINDS
    if noun.rpartition(".")[2] == "batches" and verb in _BATCH_VERBS:
        kinds |= REPLY_KINDS
        kinds |= {"create": BATCH_KINDS, "list": LIST_KINDS}.get(verb, frozenset())
    return kinds


def page_of(limit: int, faults: Mapping[str, Fault]) -> int:
    """Say how many batches a list's page has at most that was asked for `limit`."""
    return min(limit, _SHORT_PAGE) if "shifting_pages" in faults else limit


def faults_from_rates(rates: Iterable[tuple[str, float]]) -> list[Fault]:
    """Read `batches.create.drop_after` → 0.1 as a fault that never wears out."""
    split = ((name.rpartition("."), rate) for name, rate in rates)
    return [Fault(call=call, kind=kind, rate=rate) for (call, _, kind), rate in split]


def faults_from_file(path: Path) -> list[Fault]:
    """Read a JSON list of faults."""
    return FAULT_LIST.validate_json(path.read_bytes())


class FaultBoard:
    """The armed faults of this process."""

    def __init__(self, faults: Iterable[Fault], *, seed: int) -> None:
        self._armed = [_Armed(fault) for fault in faults]
        self._random = random.Random(seed)  # noqa: S311 - which call fails is no secret

    def arm(self, faults: Sequence[Fault]) -> None:
        """Add faults to those that are armed."""
        self._armed += [_Armed(fault) for fault in faults]

    def clear(self) -> None:
        """Disarm everything. Plans that batches already drew stay."""
        self._armed = []

    def listed(self) -> list[dict[str, object]]:
        """Describe the faults that can still strike."""
        return [
            {**armed.fault.model_dump(exclude_defaults=True), "struck": armed.struck}
            for armed in self._armed
            if not armed.spent
        ]

    def row_rates(self) -> dict[str, float]:
        """Return the chance of each kind of row fault."""
        return {armed.fault.kind: armed.fault.rate for armed in self._armed if armed.fault.call == ROW_CALL}

    def draw(self, call: str, path: str = "") -> dict[str, Fault]:
        """Return the faults that strike this call, at most one of each kind."""
        struck: dict[str, Fault] = {}
        for armed in self._armed:
            if not armed.concerns(call, path) or armed.fault.kind in struck:
                continue
            if armed.strikes(self._random):
                struck[armed.fault.kind] = armed.fault
        return struck


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck = 0
        self._to_skip = fault.skip

    @property
    def spent(self) -> bool:
        return self.fault.limit is not None and self.struck >= self.fault.limit

    def concerns(self, call: str, path: str) -> bool:
        return self.fault.call == call and (self.fault.match is None or self.fault.match in path)

    def strikes(self, rng: random.Random) -> bool:
        if self.spent or rng.random() >= self.fault.rate:
            return False
        if self._to_skip:
            self._to_skip -= 1
            return False
        self.struck += 1
        return True
