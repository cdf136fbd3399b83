"""Which variables point each provider's SDK at the simulator, and what the simulator needs for it.

One place for `up --simulator`, the demo and the benchmarks. Nothing here is secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["SIMULATED", "Simulated", "simulated_environment", "simulator_arguments"]

_BUCKET: Final = "simulated-bucket"
_LOCATION: Final = "us-central1"


@dataclass(frozen=True)
class Simulated:
    """One provider, played by the simulator."""

    model: str
    """`provider/model-name` to try it with; its batch price is listed."""
    address: str
    """Variable with the provider's address: who sets it wants another server."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """All that workers need, the address too; `{url}` and `{service_account}` are the simulator's."""


SIMULATED: Final[Mapping[str, Simulated]] = MappingProxyType(
    {
        "openai": Simulated(
            "openai/gpt-4.1-mini",
            "OPENAI_BASE_URL",
            {"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "simulated"},
        ),
        "anthropic": Simulated(
            "anthropic/claude-haiku-4-5",
            "ANTHROPIC_BASE_URL",
            {"ANTHROPIC_BASE_URL": "{url}", "ANTHROPIC_API_KEY": "simulated"},
        ),
        "google": Simulated(
            "google/gemini-2.5-flash",
            "GOOGLE_VERTEX_BASE_URL",
            {
                "GOOGLE_VERTEX_BASE_URL": "{url}",
                "STORAGE_EMULATOR_HOST": "{url}",
                "GOOGLE_CLOUD_PROJECT": "simulated-project",
                "GOOGLE_CLOUD_LOCATION": _LOCATION,
                "GCS_BUCKET": _BUCKET,
                "GOOGLE_APPLICATION_CREDENTIALS": "{service_account}",
            },
        ),
        "gemini": Simulated(
            "gemini/gemini-2.5-flash",
            "GOOGLE_GEMINI_BASE_URL",
            {"GOOGLE_GEMINI_BASE_URL": "{url}/gemini", "GEMINI_API_KEY": "simulated"},
        ),
    }
)
"""Provider → how it is simulated."""


def simulated_environment(
    url: str, service_account: Path | str, environment: Mapping[str, str]
) -> dict[str, str]:
    """Variables that point workers at the simulator, but for providers whose address somebody has set.

    Args:
        url: Where the simulator answers, without a path.
        service_account: The key file that `simulator_arguments` has it write.
        environment: What is set; an empty value counts as unset.
    """
    wanted: dict[str, str] = {}
    for simulated in SIMULATED.values():
        if environment.get(simulated.address):
            continue
        wanted |= {
            name: value.format(url=url, service_account=service_account)
            for name, value in simulated.variables.items()
        }
    return wanted


def simulator_arguments(service_account: Path | str) -> tuple[str, ...]:
    """What the simulator is told so that every provider's workers can use it."""
    return ("--service-account-file", str(service_account), "--buckets", f"{_BUCKET}={_LOCATION}")
