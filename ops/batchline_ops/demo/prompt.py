"""The question about one passage, in prose, as a person would put together what they know.

Every fact of `PackageFacts` is answered in it, in one of three wordings. The
README around it may speak of other packages, licences and versions: that is
what makes the questions hard for a reader that skims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchline_ops.demo.packages import InstalledPackage

__all__ = ["conversation"]

_SYSTEM: Final = (
    "You read notes about Python packages and report facts. "
    "Report what the notes say about the package itself, not what its README says about others."
)

_WORDINGS: Final = (
    """{name} {version} is described by its authors as “{summary}”. Its licence: {license}. \
It wants {python}, and its development status is {status}. {use} {needs}

From its README:

{passage}""",
    """{passage}

(This was taken from the README of {name}, release {version}: “{summary}”. Licensed as {license}; runs on \
{python}; development status: {status}. {use} {needs})""",
    """Release {version} of {name}.
Tagline: {summary}
Terms: {license}. Interpreter: {python}. Development status: {status}. {use} {needs}

README, in part:

{passage}""",
)


def conversation(package: InstalledPackage, passage: str, number: int) -> list[dict[str, Any]]:
    """Write the messages of one request; `number` picks the wording."""
    status = " and ".join(text.partition(" - ")[2] for text in package.development_status)
    question = _WORDINGS[number % len(_WORDINGS)].format(
        name=package.name,
        version=package.version,
        summary=package.summary,
        license=_license(package),
        python=f"Python {package.requires_python}" if package.requires_python else "any Python",
        status=status or "not stated",
        use=_use(package),
        needs=f"It depends on {_listed(package.requirements)}.",
        passage=passage,
    )
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": question}]


def _license(package: InstalledPackage) -> str:
    """Everything that the metadata says, as its authors put it."""
    said = [package.license_expression or package.license_text, *package.license_classifiers]
    return " / ".join(dict.fromkeys(text for text in said if text)) or "not stated"


def _use(package: InstalledPackage) -> str:
    if "Typing :: Stubs Only" in package.classifiers:
        return "It holds type stubs only."
    if package.commands:
        return f"Installing it adds the command line tool {_listed(package.commands)}."
    if package.plugs_into:
        return f"It is a plugin: it registers itself under {_listed(package.plugs_into)}."
    return "It is a library, to be imported."


def _listed(names: Sequence[str]) -> str:
    """Such as `a, b and c`."""
    if not names:
        return "nothing else"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
