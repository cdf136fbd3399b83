"""The packages installed here, and the truth about each: its metadata's fields, read by rule.

Nothing here looks at a prompt or an answer, so the agreement that the demo
prints compares two independent readings.
"""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from batchline_ops.demo.facts import Kind, LicenseFamily, Maturity, PackageFacts

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["InstalledPackage", "installed_packages"]

_FAMILIES: Final[tuple[tuple[str, LicenseFamily], ...]] = (
    ("MIT", "MIT"),
    ("BSD", "BSD"),
    ("0BSD", "BSD"),
    ("Apache", "Apache"),
    ("MPL", "MPL"),
    ("Mozilla Public License", "MPL"),
    ("PSF", "PSF"),
    ("Python Software Foundation", "PSF"),
    ("ISC", "ISC"),
)
"""How SPDX identifiers and licence classifiers begin."""

_MATURITIES: Final[tuple[Maturity, ...]] = (
    "unstated", "planning", "pre-alpha", "alpha", "beta", "stable", "mature", "inactive"
)  # fmt: skip
"""By the number in the classifier `Development Status :: 5 - …`; 0 where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPackage:
    """What the metadata of one installed package says."""

    name: str
    version: str
    summary: str
    license_expression: str
    """An SPDX expression; empty in older metadata."""
    license_text: str
    """First line of the older, free-form field; may be empty."""
    requires_python: str
    classifiers: tuple[str, ...]
    requirements: tuple[str, ...]
    """Names of the packages that it needs whatever its extras, sorted."""
    commands: tuple[str, ...]
    """Names of the commands that it installs, sorted."""
    plugs_into: tuple[str, ...]
    """Its other entry point groups, sorted."""
    readme: str

    @property
    def license_classifiers(self) -> tuple[str, ...]:
        """The last part of each licence classifier, such as `MIT License`."""
        found = (text for text in self.classifiers if text.startswith("License ::"))
        return tuple(text.rpartition(" :: ")[2] for text in found)

    @property
    def development_status(self) -> tuple[str, ...]:
        """Such as `5 - Production/Stable`; a few packages claim two."""
        prefix = "Development Status :: "
        return tuple(text.removeprefix(prefix) for text in self.classifiers if text.startswith(prefix))

    def facts(self) -> PackageFacts:
        """The truth about this package."""
        return PackageFacts(
            name=self.name,
            version=self.version,
            summary=self.summary,
            license=self._license(),
            min_python=_oldest_python(self.requires_python),
            maturity=_MATURITIES[max((int(text[0]) for text in self.development_status), default=0)],
            kind=self._kind(),
            dependencies=len(self.requirements),
        )

    def _license(self) -> LicenseFamily:
        """Judge by the most formal field that is there."""
        if self.license_expression:
            formal = re.split(r"[\s()]+(?:OR|AND|WITH)?[\s()]*", self.license_expression)
        else:
            formal = list(self.license_classifiers) or [self.license_text]
        families: set[LicenseFamily] = {
            family for text in formal for start, family in _FAMILIES if text.startswith(start)
        }
        if len(families) > 1:
            return "several"
        return families.pop() if families else "other"

    def _kind(self) -> Kind:
        if "Typing :: Stubs Only" in self.classifiers:
            return "type_stubs"
        if self.commands:
            return "command_line_tool"
        return "plugin" if self.plugs_into else "library"


def installed_packages() -> list[InstalledPackage]:
    """Read every package of this environment, each once, in the order of their names."""
    found: dict[str, InstalledPackage] = {}
    for distribution in importlib.metadata.distributions():
        # An interrupted installation leaves folders without a name behind.
        name = cast("str | None", distribution.metadata["Name"])
        if name:
            found.setdefault(name.lower(), _package(distribution))
    return [found[name] for name in sorted(found)]


def _package(distribution: importlib.metadata.Distribution) -> InstalledPackage:
    fields: dict[str, Any] = dict(distribution.metadata.json)
    points = distribution.entry_points
    license_text = str(fields.get("license") or "")
    return InstalledPackage(
        name=str(fields["name"]),
        version=str(fields["version"]),
        summary=_one_line(fields.get("summary")),
        license_expression=_one_line(fields.get("license_expression")),
        license_text=license_text.strip().partition("\n")[0].strip()[:80],
        requires_python=_one_line(fields.get("requires_python")),
        classifiers=tuple(fields.get("classifier") or ()),
        requirements=tuple(sorted(_required(distribution.requires or ()))),
        commands=tuple(sorted({point.name for point in points if point.group == "console_scripts"})),
        plugs_into=tuple(sorted({point.group for point in points} - {"console_scripts", "gui_scripts"})),
        readme=str(fields.get("description") or ""),
    )


def _one_line(value: object) -> str:
    text = " ".join(str(value or "").split())
    return "" if text == "UNKNOWN" else text  # what old build tools wrote for an empty field


def _required(lines: Iterable[str]) -> set[str]:
    """Names of the requirements that no extra has to be asked for."""
    names: set[str] = set()
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if "extra" not in str(requirement.marker or ""):
            names.add(requirement.name)
    return names


def _oldest_python(requires_python: str) -> str | None:
    """The highest lower bound, as `major.minor`."""
    try:
        bounds = [
            Version(part.version)
            for part in SpecifierSet(requires_python)
            if part.operator in {">=", ">", "~="}
        ]
    except InvalidSpecifier:
        return None
    return f"{max(bounds).major}.{max(bounds).minor}" if bounds else None
