"""Errors that a user can act on: each message says what, where, and what to do next."""

from __future__ import annotations


class CtrbenchError(Exception):
    """Base of every error that ends a command with one sentence and exit code 2: what, where, what to do next.

    A plugin raises one of its kinds where a user can mend what is wrong; any other error is taken for a fault in it.
    """

    elsewhere = False
    """Whether another process of the same command failed, and says so itself."""


class DataError(CtrbenchError):
    """Input data, or a prepared dataset, cannot be used."""


class ConfigError(CtrbenchError):
    """An option, a configuration key or a table spec is wrong."""


class NotFinite(DataError):
    """A model's loss, weight or logit became NaN or infinite."""


class PluginError(CtrbenchError):
    """A plugin is unknown, ambiguous or broken."""


class BackboneError(CtrbenchError):
    """A language-model backbone cannot be found or loaded."""


class HubError(BackboneError):
    """A backbone on a model hub cannot be read, be it for its name or for the network."""


class OutputError(CtrbenchError):
    """A result, prepared dataset or cache cannot be written or read back."""


class Damaged(OutputError):
    """A file of an earlier run is there, and cannot be used; other runs can."""


class NoGeneralHead(CtrbenchError):
    """A model without a general network was asked for the general head."""


class UnknownDomain(CtrbenchError):
    """A row's domain has no network of its own, and no head was named for it."""


class LostProcess(CtrbenchError):
    """Another process of this command is gone, or failed where the others cannot go on without it."""


_NO_MEMORY = (
    *("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory"),
    "status_alloc_failed",  # of cuBLAS, cuDNN, cuSPARSE
)


def out_of_memory(error: BaseException) -> bool:
    """Whether some library's error means that memory, of the machine or of a GPU, ran out. Ours say so themselves."""
    if isinstance(error, CtrbenchError):
        return False
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_MEMORY)


def in_words(error: BaseException) -> str:
    """The first line of what an error says; errors that are not ours are named, too."""
    if type(error).__module__.startswith("pydantic") and hasattr(error, "title"):
        from ctrbench.validation import in_brief

        return f"{type(error).__name__}: {in_brief(error)}"  # type: ignore[arg-type]
    text = str(error) if isinstance(error, CtrbenchError) else f"{type(error).__name__}: {error}"
    return text.strip().splitlines()[0].rstrip(" :") if text.strip() else type(error).__name__
