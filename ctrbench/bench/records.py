"""What a run leaves behind: `record.json`, written last and atomically, beside predictions and checkpoint.

Nothing here imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ctrbench import files
from ctrbench.bench.folders import RunFolder
from ctrbench.bench.spec import RunSpec
from ctrbench.errors import Damaged
from ctrbench.training.course import Epoch, Number

if TYPE_CHECKING:
    from ctrbench.data.store import PreparedDataset

SCHEMA = 1
ADVICE = "free space, or choose another folder with --results"
ORACLE = "oracle"
"""The head that is no model's: the AUC of the true probabilities, where the data knows them."""
AGAIN = "`ctrbench run` sets it aside and does the run again"


class Unusable(Damaged):
    """A run's record or predictions are there, and cannot be used: `what` says why.

    `spoilt`: they are of no use to anybody, so they may be set aside. Else somebody can read them: another user, or a
    newer ctrbench.
    """

    def __init__(self, file: Path, what: str, *, spoilt: bool = True, advice: str = AGAIN) -> None:
        super().__init__(f"{file} {what}; {advice}")
        self.file, self.what, self.spoilt, self.advice = file, what, spoilt, advice


@dataclass(frozen=True, order=True)
class Target:
    """One thing to score: the rows of a split and domain, through a head."""

    split: Literal["valid", "test"]
    domain: str
    head: str


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DatasetFacts(_Part):
    """Which prepared dataset a run used."""

    name: str
    """The source's name."""
    fingerprint: str
    synthetic: bool = False
    split: str = "time"
    """Which rows are the test rows; see `PrepareOptions`."""
    domain_by: str | None = None
    """How domains were derived, where they are not the source's own."""
    path: str | None = None

    @classmethod
    def of(cls, data: PreparedDataset) -> Self:
        """The facts of a prepared dataset."""
        manifest = data.manifest
        return cls(
            name=manifest.source,
            fingerprint=data.fingerprint,
            synthetic=manifest.synthetic,
            split=manifest.options.get("split", "time"),
            domain_by=manifest.options.get("domain_by"),
            path=str(data.path),
        )


class RowCounts(_Part):
    """How many rows a run saw, and which test rows."""

    train: int = 0
    valid: int = 0
    test_hash: dict[str, str] = {}
    """`rows_hash` of each scored domain's test rows; a table refuses to mix hashes."""


class Metrics(_Part):
    """How one head did on one domain and split."""

    auc: Number = None
    logloss: Number = None
    rows: int
    positives: int


class Cost(_Part):
    """What a run cost. None is unknown."""

    parameters: int | None = None
    parameters_trained: int | None = None
    train_seconds: Number = None
    """Of training steps; validation is apart."""
    valid_seconds: Number = None
    rows_per_s: Number = None
    score_rows_per_s: Number = None
    peak_memory_mb: Number = None
    energy_wh: Number = None
    """Of training and validation; see `bench.energy`. Unknown for a training that was resumed or shared."""
    energy_of: str | None = None
    """Which parts of the machine told it: `cpu`, `gpu` or `cpu+gpu`."""
    epochs_run: int | None = None
    best_epoch: int | None = None
    steps: int | None = None

    @property
    def score_us_per_row(self) -> float | None:
        """Microseconds per scored row, through all heads at once."""
        return 1e6 / self.score_rows_per_s if self.score_rows_per_s else None


class Growth(_Part):
    """What a run that added domains to a trained model found just as it was before: all of it, or the run failed."""

    base: str
    """The run whose trained model it is."""
    base_file: str
    """sha256 of that model's file: trained anew, it need not be the same."""
    domains: tuple[str, ...]
    """The old domains."""
    rows: int
    """Of these, scored before and after; their logits are bitwise equal."""
    weights: int
    """Numbers that the base had trained, bitwise equal to its file."""


class Record(_Part):
    """The outcome of one run: enough to rebuild every table without training again."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    id: str
    status: Literal["done", "failed"]
    error: str | None = None
    spec: RunSpec
    dataset: DatasetFacts
    rows: RowCounts = RowCounts()
    metrics: dict[str, dict[str, dict[str, Metrics]]] = {}
    """split -> domain -> head; the head `oracle` where the data knows each row's true probability."""
    cost: Cost = Cost()
    growth: Growth | None = None
    """Of a run with a base."""
    history: list[Epoch] = []
    provenance: dict[str, Any] = {}
    notes: list[str] = []

    def metric(self, target: Target) -> Metrics | None:
        """The metrics of one target, or None where it was not scored."""
        return self.metrics.get(target.split, {}).get(target.domain, {}).get(target.head)


def load(results: Path, dataset: str, spec: RunSpec) -> Record | None:
    """The record of a run, or None when it has not been run."""
    return read(RunFolder.of(results, dataset, spec).record)


def read(file: Path) -> Record | None:
    """A record from its file, None when there is none; `Unusable` when it is no record of this schema."""
    try:
        raw = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise Unusable(file, f"cannot be read ({fault.strerror})", spoilt=False, advice="see to its rights") from None
    except (ValueError, RecursionError) as fault:
        raise Unusable(file, f"cannot be read ({fault})") from None
    found = raw.get("schema") if isinstance(raw, dict) else None
    if isinstance(found, int) and found > SCHEMA:
        what = f"has schema {found}, newer than this ctrbench writes ({SCHEMA})"
        raise Unusable(file, what, spoilt=False, advice="update ctrbench, or choose another folder with --results")
    if found != SCHEMA:
        raise Unusable(file, f"has schema {found}, and this ctrbench reads {SCHEMA}")
    try:
        return Record.model_validate(raw)
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise Unusable(file, f"is not a whole record (see {key!r})") from None


def save(results: Path, record: Record) -> RunFolder:
    """Write a record whole, or not at all."""
    folder = RunFolder.of(results, record.dataset.name, record.spec)
    text = record.model_dump_json(by_alias=True, indent=1)
    with atomic(folder.record) as temporary:
        temporary.write_text(text + "\n", "utf-8")
    return folder


def complete(record: Record | None, targets: Iterable[Target]) -> bool:
    """Whether a run is done and every target scored."""
    if record is None or record.status != "done":
        return False
    return all(record.metric(target) is not None for target in targets)


def atomic(file: Path) -> AbstractContextManager[Path]:
    """A file of a run, written whole or not at all; `OutputError` when it cannot be."""
    return files.atomic(file, ADVICE)


def ensure_writable(folder: Path) -> None:
    """Make a folder, or raise `OutputError` when nothing can be written there."""
    files.ensure_writable(folder, ADVICE)
