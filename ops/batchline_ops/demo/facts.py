"""What every request of the demo asks for. Doubles as the form of the known truth."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Kind", "LicenseFamily", "Maturity", "PackageFacts"]

LicenseFamily = Literal["MIT", "BSD", "Apache", "MPL", "PSF", "ISC", "several", "other"]
"""`several` where a package offers or combines more than one."""

Maturity = Literal["planning", "pre-alpha", "alpha", "beta", "stable", "mature", "inactive", "unstated"]
"""The package index's words for the state of development."""

Kind = Literal["library", "command_line_tool", "plugin", "type_stubs"]
"""What one does with the package: import it, run it, plug it in, or check types with it."""


class PackageFacts(BaseModel):
    """Facts about one Python package."""

    model_config = ConfigDict(frozen=True)

    name: str
    """As its authors write it."""

    version: str
    """The release in question."""

    summary: str
    """The authors' own one-line description, word for word; empty where there is none."""

    license: LicenseFamily
    """Family of the licence."""

    min_python: str | None
    """Oldest Python that it runs on, as `3.10`; null where it does not say."""

    maturity: Maturity
    """State of development."""

    kind: Kind
    """What one does with it."""

    dependencies: int
    """How many other packages it always needs."""
