"""transformers' `from_pretrained` on files from anywhere: none of their code runs, and a fault is one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from ctrbench.backbones.files import BackboneFiles
from ctrbench.errors import BackboneError, HubError, out_of_memory


def read(auto: Any, files: BackboneFiles, part: str, **options: Any) -> Any:
    """What the Auto class `auto` makes of a backbone's files; `BackboneError` where it cannot read its `part` of them.

    Reading a GGUF file asks for the package gguf even where transformers could do without: which architectures it
    reads by itself differs from version to version.
    """
    if files.gguf is not None:
        if find_spec("gguf") is None:
            raise BackboneError(
                f"backbone '{files.name}' is a GGUF file, which the package gguf reads: pip install 'ctrbench[gguf]'"
            )
        options["gguf_file"] = files.gguf
    with one_sentence(files, part):
        return auto.from_pretrained(files.path, revision=files.revision or "main", trust_remote_code=False, **options)


@contextmanager
def one_sentence(files: BackboneFiles, part: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes one `BackboneError`: parsers of foreign files raise whatever they like.

    It is a `HubError` where the files are on a model hub.

    transformers' own reports, as of weights that nobody needs, stay silent meanwhile.
    """
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    except Exception as error:
        kind = BackboneError if Path(files.path).is_dir() else HubError
        raise kind(_sentence(files, part, error)) from error
    finally:
        logging.set_verbosity(verbosity)


def _sentence(files: BackboneFiles, part: str, error: Exception) -> str:
    name = f"backbone '{files.name}'"
    reason = _first_sentence(error)
    if any(isinstance(cause, UnpicklingError) for cause in _causes(error)):
        return (
            f"{name}: torch's weights-only loader refused {_pickles(files)}, which is not a file of plain tensors "
            "alone, and ran nothing in it; convert the weights to safetensors, or name another backbone"
        )
    if out_of_memory(error):
        return f"{name} does not fit into the memory of this machine; name a smaller one, or take a larger machine"
    if any(word in reason.lower() for word in ("sentencepiece", "tiktoken")) and not _reads_sentencepiece():
        return f"{name} has a SentencePiece tokenizer, which needs two packages: pip install 'ctrbench[sentencepiece]'"
    return f"{name}: its {part} cannot be read ({reason}); {files.advice}"


def _first_sentence(error: Exception) -> str:
    text = str(error).strip()
    kind = type(error).__name__
    if not text:
        return kind
    first = text.splitlines()[0].split(". ")[0].rstrip(" .:")
    return first if isinstance(error, OSError | ValueError | ImportError) else f"{kind}: {first}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _pickles(files: BackboneFiles) -> str:
    here = [path.name for path in Path(files.path).glob("pytorch_model*.bin")]
    return here[0] if len(here) == 1 else "one of its files pytorch_model*.bin"


def _reads_sentencepiece() -> bool:
    from transformers.utils import is_protobuf_available, is_sentencepiece_available

    return is_sentencepiece_available() and is_protobuf_available()
