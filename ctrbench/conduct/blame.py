"""Whose fault it is: an exception out of a plugin as one sentence with distribution, plugin and fault."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ctrbench.errors import CtrbenchError, NotFinite, PluginError, in_words, out_of_memory
from ctrbench.registry import Plugin, plugins

_KITS = {"models": "ModelTests", "datasets": "SourceTests", "backbones": "BackboneTests", "tables": "TableTests"}
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class Suspect:
    """A plugin by its kind and name; as text, a description for sentences, such as `the model plugin 'x' of acme 1.0`.

    It need not be registered: then it goes by its name alone.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        found = self._found()
        return described(found[0]) if len(found) == 1 else f"the {self.kind[:-1]} plugin {self.name!r}"

    @property
    def packages(self) -> frozenset[str]:
        """The top-level packages of its code."""
        return frozenset(plugin.value.partition(":")[0].partition(".")[0] for plugin in self._found())

    @property
    def advice(self) -> str:
        """What its author is to do."""
        found = self._found()
        return advice(self.kind, found[0].distribution if len(found) == 1 else "")

    def did(self, fault: str) -> PluginError:
        """The error for a fault, which follows the plugin in the sentence."""
        return PluginError(_with(f"{self} {fault}", self.advice))

    def sentence(self, error: Exception) -> str:
        """What to say of an error that ended a run of the plugin: whose fault it is, where it may be the plugin's."""
        if isinstance(error, PluginError | NotFinite):
            return in_words(error) if self.named_in(str(error)) else f"{self}: {in_words(error)}"
        if isinstance(error, CtrbenchError) or out_of_memory(error):
            return in_words(error)
        if isinstance(error, OSError):  # of the machine, maybe
            return f"the run of {self} failed ({in_words(error)})"
        return str(self.did(f"failed ({in_words(error)})"))

    def named_in(self, sentence: str) -> bool:
        """Whether a sentence says already whose fault it tells of."""
        return all(plugin.origin in sentence and repr(plugin.name) in sentence for plugin in self._found())

    def _found(self) -> list[Plugin]:
        return [plugin for plugin in plugins(self.kind) if plugin.name == self.name]


def described(plugin: Plugin) -> str:
    """`the model plugin 'x' of acme 1.0`."""
    return f"the {plugin.kind[:-1]} plugin {plugin.name!r} of {plugin.origin}"


def advice(kind: str, distribution: str) -> str:
    """What to do about a plugin: for its author, and for who only installed it."""
    told = f" report it to {distribution}'s authors," if distribution else ""
    return f"run ctrbench.testing.{_KITS[kind]} on it (docs/plugins.md says how) and mend it,{told} or leave it out"


def accused(plugin: Plugin, fault: str) -> PluginError:
    """The error for a fault of this plugin, whoever else has its name."""
    return PluginError(_with(f"{described(plugin)} {fault}", advice(plugin.kind, plugin.distribution)))


def _with(fault: str, then: str) -> str:
    """Fault and advice; a fault that ends in a question, such as `Did you mean 'x'?`, stays a sentence."""
    return f"{fault} {then[0].upper()}{then[1:]}" if fault.endswith(("?", ".")) else f"{fault}; {then}"


@contextmanager
def blaming(suspect: Suspect, doing: str) -> Iterator[None]:
    """Within, what a plugin raises becomes a `PluginError` that names it; `doing` says where, as `in its constructor`.

    Errors that are no fault of a plugin's pass: ctrbench's own sentences, want of memory, a full disk. A plugin's
    `sys.exit` is its fault, as it would end all runs.
    """
    try:
        yield
    except PluginError as error:
        if suspect.named_in(str(error)):
            raise
        raise PluginError(f"{suspect}: {error}") from error
    except (Exception, SystemExit) as error:
        if isinstance(error, CtrbenchError) or out_of_memory(error) or getattr(error, "errno", None) in _NO_SPACE:
            raise
        where = "; see that its files are there and its server answers" if isinstance(error, OSError) else ""
        raise suspect.did(f"failed {doing} ({in_words(error)}){where}") from error
