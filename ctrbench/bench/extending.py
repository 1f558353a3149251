"""What a table spec takes over from the one that it extends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ctrbench.bench import catalog
from ctrbench.bench.settings import merge
from ctrbench.errors import ConfigError

INHERITED = ("domains", "models", "variants", "reference", "seeds", "settings", "profiles")


def extended(raw: dict[str, Any], file: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A spec, with the keys that it takes over from the one it extends under its own."""
    base = raw.get("extends")
    if not isinstance(base, str):
        return raw
    sibling = file.with_name(f"{base}.toml")
    if not sibling.is_file():
        raise ConfigError(f"{file.name} extends {base!r}, but there is no {sibling}")
    if sibling in (file, *above):
        raise ConfigError(f"{file.name} extends {base!r}, which is itself or extends it; let one stand alone")
    below = extended(catalog.read_toml(sibling), sibling, (file, *above))
    whole = merge({key: below[key] for key in INHERITED if key in below}, raw)
    return _of_rows(whole, raw) if "models" in raw else whole


def _of_rows(whole: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Without the inherited settings of models that a table with rows of its own leaves out."""
    variants = whole.get("variants", {})
    rows = {
        *whole["models"],
        *(row for profile in own.get("profiles", {}).values() for row in profile.get("models", ())),
    }
    used = rows | {variants[row].get("model") for row in rows if row in variants}

    def kept(settings: dict[str, Any], stated: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in settings.items() if name in used or name in stated}

    whole["variants"] = kept(variants, own.get("variants", {}))
    whole["settings"] = kept(whole.get("settings", {}), own.get("settings", {}))
    for name, profile in whole.get("profiles", {}).items():
        if "settings" in profile:
            stated = own.get("profiles", {}).get(name, {}).get("settings", {})
            profile["settings"] = kept(profile["settings"], stated)
    return whole
