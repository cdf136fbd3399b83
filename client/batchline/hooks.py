"""Whom a job tells of its end, checked at enqueue as far as the client can know."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic import TypeAdapter, ValidationError

from batchline_shared.errors import InvalidInputError
from batchline_shared.hooks import EndpointName, parse_task

if TYPE_CHECKING:
    from typing import Self

    from batchline_shared.settings import Settings

__all__ = ["Hooks"]

_NAME: TypeAdapter[str] = TypeAdapter(EndpointName)


class Hooks(NamedTuple):
    """A task and an endpoint, each by name; empty: none."""

    on_complete: str = ""
    webhook: str = ""

    @classmethod
    def checked(cls, settings: Settings, *, on_complete: str | None, webhook: str | None) -> Self:
        """Check names as `enqueue` takes them.

        Raises:
            InvalidInputError: One is malformed, or the settings have webhooks, and none of that name.
        """
        if on_complete is not None:
            parse_task(on_complete)
        if webhook is not None:
            _check_endpoint(settings, webhook)
        return cls(on_complete or "", webhook or "")

    def fields(self) -> dict[str, str | int | bytes]:
        """As the job's record holds them."""
        return {name: value for name, value in self._asdict().items() if value}


def _check_endpoint(settings: Settings, name: str) -> None:
    try:
        _NAME.validate_python(name, strict=True)
    except ValidationError:
        raise InvalidInputError(
            "webhook must be the name of an endpoint of the workers' settings, in lower case "
            f"(<name> in BATCHLINE_WEBHOOKS__<NAME>__URL), not {name!r}"
        ) from None
    # Endpoints are the workers' business; but a client that knows some knows all.
    if settings.webhooks and name not in settings.webhooks:
        raise InvalidInputError(
            f"there is no webhook {name!r} (there is: {', '.join(sorted(settings.webhooks))}); "
            f"set BATCHLINE_WEBHOOKS__{name.upper()}__URL and …__SECRET_ENV on clients and workers"
        )
