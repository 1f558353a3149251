"""How installed plugins are: each is imported, or tables read, apart from all others and this process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

from ctrbench import registry
from ctrbench.bench.catalog import collision
from ctrbench.conduct.blame import described
from ctrbench.conduct.watch import SLOW
from ctrbench.doctor import TIMEOUT
from ctrbench.doctor.apart import Job, answers
from ctrbench.doctor.requirements import OURS, unmet
from ctrbench.errors import in_words
from ctrbench.registry import Plugin

Tell = Callable[[str], None]
"""Hears what is looked at."""


@dataclass(frozen=True)
class Health:
    """A plugin, and what its import told.

    `faults` must be mended, `notes` may be; each is a sentence that names plugin and distribution. `state`: `ok`,
    `broken`, `name_taken`, `other_api`, or `unfit` (it loads, but requires what is not here). `seconds` of the import,
    None where it failed. `category` and `about` are the plugin's own words, `tables` their names.
    """

    plugin: Plugin
    state: str
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    api_version: int | None = None
    seconds: float | None = None
    category: str = ""
    about: str = ""
    tables: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """One object, flat."""
        facts = asdict(self)
        return {**facts.pop("plugin"), **facts}


def job(plugin: Plugin) -> Job:
    """For `apart.answers`."""
    return "plugin", asdict(plugin)


def examine(plugins: Sequence[Plugin], timeout: float = TIMEOUT, tell: Tell = lambda text: None) -> list[Health]:
    """How these plugins are; each may take `timeout` seconds to import, and `tell` hears which one is next."""
    return judge(plugins, list(listen(answers(list(map(job, plugins)), timeout), plugins, tell)))


def listen(answers: Iterator[Mapping[str, Any]], plugins: Sequence[Plugin], tell: Tell) -> Iterator[Mapping[str, Any]]:
    """The answers of plugins, each announced before it is waited for."""
    for number, plugin in enumerate(plugins, 1):
        tell(f"plugin {number} of {len(plugins)}: {plugin.name} of {plugin.distribution}")
        yield next(answers)


def judge(plugins: Sequence[Plugin], answers: Sequence[Mapping[str, Any]]) -> list[Health]:
    """How each plugin is, after its answer (see `loading.examine`; `fault` where it gave none)."""
    names, requirements = _taken(plugins, answers), _requirements({plugin.distribution for plugin in plugins})
    return [
        _health(plugin, answer, names.get(plugin, ()), requirements[plugin.distribution])
        for plugin, answer in zip(plugins, answers, strict=True)
    ]


def _health(plugin: Plugin, answer: Mapping[str, Any], taken: Sequence[str], unmet: Sequence[str]) -> Health:
    broken = [plugin.not_imported(answer["fault"])] if "fault" in answer else answer.get("faults", [])
    states = {"name_taken": taken, "other_api": answer.get("other_api"), "broken": broken, "unfit": unmet}
    return Health(
        plugin,
        next((state for state, holds in states.items() if holds), "ok"),
        faults=(*taken, *broken, *unmet),
        notes=tuple(_notes(plugin, answer)),
        api_version=answer.get("api_version"),
        seconds=answer.get("seconds"),
        category=answer.get("category", ""),
        about=answer.get("about", ""),
        tables=tuple(answer.get("tables", ())),
    )


def _notes(plugin: Plugin, answer: Mapping[str, Any]) -> Iterator[str]:
    if (seconds := answer.get("seconds", 0)) >= SLOW:
        yield f"{described(plugin)} takes {seconds:.1f} s to import; let it import what is heavy where it is used"
    if line := answer.get("said"):
        yield f"{described(plugin)} prints at import ({line!r}); stdout is for results, so let it use logging"
    if changed := answer.get("changed"):
        yield f"{described(plugin)} changes {', '.join(changed)} at import; ctrbench puts it back, so let it not do so"


def _taken(plugins: Sequence[Plugin], answers: Sequence[Mapping[str, Any]]) -> dict[Plugin, list[str]]:
    """The sentences for plugins that claim a name which another one claims, too."""
    claims: dict[tuple[str, str], list[Plugin]] = defaultdict(list)
    places: dict[str, list[tuple[Plugin, Path]]] = defaultdict(list)
    for plugin, answer in zip(plugins, answers, strict=True):
        if plugin.kind == "tables":  # of which only the tables are asked for by name
            for name, file in answer.get("tables", {}).items():
                places[name].append((plugin, Path(file)))
        else:
            claims[plugin.kind, plugin.name].append(plugin)
    found = defaultdict(list)
    for same in claims.values():
        for plugin in same if len(same) > 1 else ():
            found[plugin].append(registry.collision(same))
    for name, where in places.items():
        for plugin, _ in where if len(where) > 1 else ():
            found[plugin].append(collision(name, where))
    return found


def _requirements(distributions: Iterable[str]) -> dict[str, list[str]]:
    """For each distribution what it requires and has not."""
    return {distribution: list(_lacking(distribution)) for distribution in distributions}


def _lacking(distribution: str) -> Iterator[str]:
    if distribution == OURS:  # whose libraries are told one by one
        return
    try:
        lacking = unmet(distribution)
    except PackageNotFoundError:
        return
    except Exception as fault:
        yield f"the requirements of {distribution} cannot be read ({in_words(fault)}); repair or update it"
        return
    if lacking:
        yield f"{distribution} requires {', '.join(lacking)}; install versions that fit"
