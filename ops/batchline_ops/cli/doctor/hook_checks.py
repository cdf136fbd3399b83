"""The webhooks that the settings name: where each is, and whether its secret is here, never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from batchline_ops.cli.doctor.environment_checks import variables_here
from batchline_ops.cli.doctor.findings import ok, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_ops.cli.doctor.findings import Finding
    from batchline_shared.hooks import Endpoint

__all__ = ["check_webhooks"]


def check_webhooks(endpoints: Mapping[str, Endpoint]) -> list[Finding]:
    """One finding for each endpoint, in the order of their names."""
    is_here = variables_here()
    findings = []
    for name, endpoint in sorted(endpoints.items()):
        # The host alone: the rest may hold a secret.
        check, where = f"Webhook {name}", f"at {urlsplit(endpoint.url).hostname}"
        if is_here(endpoint.secret_env):
            findings.append(ok(check, f"{where}; {endpoint.secret_env} is set"))
        else:
            advice = "Only workers need it; set it where they run"
            findings.append(warn(check, f"{where}, but {endpoint.secret_env} is not set here", advice))
    return findings
