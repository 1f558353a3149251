"""What plugins may rely on, as it was last recorded: `python -m tests.api_snapshot` records it anew.

An entry says in which version its name came (`since`), and what of it `changed` in the last version that changed it;
the CHANGELOG names either there. Entries without them are as the first recording found them.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

from packaging.version import Version

from ctrbench._version import __version__
from ctrbench.deprecations import DEPRECATIONS
from tests.promised import promised

FILE = Path(__file__).with_suffix(".json")
CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
COMMAND = "python -m tests.api_snapshot"

Entries = dict[str, dict[str, Any]]


def read() -> Entries:
    """The recorded entries; none before the first recording."""
    return json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}


def differences(recorded: Entries, now: Mapping[str, Sequence[str]]) -> str:
    """What is no longer as it was recorded, and what to do; nothing where all is."""
    told = [f"added: {', '.join(added)}"] if (added := sorted(now.keys() - recorded)) else []
    told += [f"removed: {', '.join(removed)}"] if (removed := sorted(recorded.keys() - now)) else []
    for name in sorted(recorded.keys() & now):
        diff = list(unified_diff(recorded[name]["lines"], now[name], lineterm="", n=0))[2:]
        if diff:
            told.append("\n    ".join([f"changed: {name}", *(line for line in diff if not line.startswith("@@"))]))
    if not told:
        return ""
    return "\n  ".join(
        [
            "what plugins rely on is not as it was recorded (a number behind # is a docstring's digest):",
            *told,
            f"If that is meant, run `{COMMAND}`, and name in backticks in CHANGELOG.md what it lists; else undo it. "
            "A name that goes needs an entry in ctrbench/deprecations.py.",
        ]
    )


def record(recorded: Entries, now: Mapping[str, Sequence[str]], version: str) -> Entries:
    """The entries as they are now; `ValueError` for a name that went without a word."""
    if not recorded:
        return {name: {"lines": list(lines)} for name, lines in sorted(now.items())}
    for name in recorded.keys() - now:
        if name.rpartition(".")[2] not in DEPRECATIONS and recorded[name].get("since") != version:
            raise ValueError(
                f"{name} is gone, and plugins may use it: let it warn first (an entry in ctrbench/deprecations.py)"
            )
    entries = {}
    for name, lines in sorted(now.items()):
        entry = dict(recorded.get(name, {"since": version, "lines": list(lines)}))
        found = changes(name, entry["lines"], lines)
        if found and entry.get("since") != version:
            before = entry.get("changed", {}).get(version, [])
            entry["changed"] = {version: sorted({*before, *found})}
        entries[name] = {**entry, "lines": list(lines)}
    return entries


def changes(name: str, before: Sequence[str], now: Sequence[str]) -> list[str]:
    """What differs: `CTRModel.loss`; or `CTRModel`, for its definition, the order of its fields, and a kit's tests."""
    if list(before) == list(now):
        return []
    old, new = _parts(name, before), _parts(name, now)
    return [part for part in old | new if old.get(part) != new.get(part)] or [next(iter(new))]


def _parts(name: str, lines: Sequence[str]) -> dict[str, list[str]]:
    own = name.split(".", 2)[2]
    parts = {own: [lines[0]]}
    for line in lines[1:]:
        member = re.split(r"\W", re.sub(r"^(?:@.*?\b)?(?:def|class) ", "", line.strip()))[0]
        part = own if member.startswith("test_") else f"{own}.{member}"
        parts.setdefault(part, []).append(line)
    return parts


def unnamed(entries: Entries, changelog: str) -> list[str]:
    """What came or changed in a version whose section of the CHANGELOG does not name it."""
    told = [(name.split(".", 2)[2], entry["since"]) for name, entry in entries.items() if "since" in entry]
    for entry in entries.values():
        told += [(part, version) for version, parts in entry.get("changed", {}).items() for part in parts]
    return sorted({f"`{part}` ({version})" for part, version in told if not names(changelog, version, part)})


def names(changelog: str, version: str, part: str) -> bool:
    """Whether a version's section, or that of what is unreleased, names something in backticks."""
    text = section(changelog, version) or section(changelog, "Unreleased")
    return re.search(rf"`(?:ctrbench\.\w+\.)?{re.escape(part)}(?![\w./-])[^`]*`", text) is not None


def section(changelog: str, version: str) -> str:
    """What stands below `## [version]`."""
    found = re.search(rf"^## \[{re.escape(version)}\].*?(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE)
    return found[0] if found else ""


def main() -> str | None:
    """Record; returns what went wrong."""
    version = Version(__version__).base_version
    if section(CHANGELOG.read_text("utf-8"), version):
        return f"ctrbench {version} is released (CHANGELOG.md): raise `__version__` in ctrbench/_version.py first"
    try:
        entries = record(read(), promised(), version)
    except ValueError as fault:
        return str(fault)
    FILE.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", "utf-8")
    missing = unnamed(entries, CHANGELOG.read_text("utf-8"))
    print(
        f"recorded {len(entries)} names"
        + (f"; name in backticks in CHANGELOG.md: {', '.join(missing)}" if missing else "")
    )
    return None


if __name__ == "__main__":
    sys.exit(main())
