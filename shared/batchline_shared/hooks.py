"""Who can be told that a job has ended: Celery tasks of the application's own, and endpoints with a name.

Secrets and addresses of endpoints are the workers' business; a job holds the
names alone.
"""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from batchline_shared.errors import InvalidInputError

__all__ = ["Endpoint", "EndpointName", "TaskDefaults", "TaskTarget", "parse_task"]

_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"

_TASK = re.compile(r"(?P<task>[^\s@]{1,255})(?:@(?P<queue>[^\s@]{1,255}))?")

EndpointName = Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")]
"""Lower-case letters, digits, `_` and `-`; at most 64."""


class Endpoint(BaseModel):
    """An HTTP endpoint that takes signed messages. Workers only; a client knows at most its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(repr=False)
    """Where it is: `https://…`. May bear a token, so it is never shown."""

    secret_env: str
    """Name of the environment variable with its secret, `whsec_…`, on workers.

    Several, parted by spaces, while one replaces another: each message is signed with all.
    """

    allow_http: bool = False
    """Whether it may be reached without TLS: for one on the same machine or behind a tunnel."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        """Refuse what could never be reached, or by anybody."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            msg = "its URL must be a whole address: https://…"
            raise ValueError(msg)
        if parts.scheme == "http" and not self.allow_http:
            msg = "its URL must begin with https://, unless ALLOW_HTTP is true"
            raise ValueError(msg)
        return self


class TaskDefaults(BaseModel):
    """Where the application's own Celery tasks are sent. Workers only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    broker_url: str = Field(default="", repr=False)
    """The broker of the application's Celery app. Empty: ours."""

    queue: str = Field(default="celery", min_length=1)
    """The queue of tasks that name none. Celery's own default is `celery`."""

    key_prefix: str = ""
    """The application's `global_keyprefix`, where its broker is Redis and it has one."""


class TaskTarget(NamedTuple):
    """`task.name` or `task.name@queue`, taken apart."""

    task: str
    queue: str
    """Empty: as the workers' settings say."""


def parse_task(target: object) -> TaskTarget:
    """Split `task.name@queue`.

    Raises:
        InvalidInputError: It is not of that form.
    """
    found = _TASK.fullmatch(target) if isinstance(target, str) else None
    if found is None:
        raise InvalidInputError(
            f'on_complete must be the name of a Celery task, "shop.batch_done" or "shop.batch_done@queue", '
            f"not {target!r}"
        )
    return TaskTarget(found["task"], found["queue"] or "")
