"""What a table shows of `significance.comparisons`: marks behind AUCs, footnotes, and lines below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrbench.bench.plan import Plan
from ctrbench.evaluation.significance import DRAWS
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Cell, Footnotes
from ctrbench.report.significance import ALPHA, BOOTSTRAP, NO_VARIATION, NUMBERS, compared, comparisons

STAR, LEVEL_WITH = "*", "≈"
UNTESTED = "Not tested for significance: the table has no reference to test its rows against, so gaps may be chance."


class Marks:
    """The comparisons of a table's rows with its reference, by row and domain."""

    def __init__(self, findings: Findings, title: str) -> None:
        """`title`: what people call the reference."""
        self.reference, self.title = findings.table.reference, title
        self.found = {(line["row"], line["domain"]): line for line in comparisons(findings).rows(named=True)}
        self.tested = [line for line in self.found.values() if line["p"] is not None]
        self.wanted = len(compared(findings.plan))
        """How many comparisons the table has, be there numbers for all of them or not."""
        self.faults = list(dict.fromkeys(line["fault"] for line in self.found.values() if line["fault"]))
        self.shown: set[str] = set()
        """The marks that some cell has."""

    def values(self, row: str, domain: str) -> dict[str, Any]:
        """What exports hold of a row: intervals, difference, p-values, test, and why there is none."""
        line = self.found[row, domain]
        return {key: line[key] for key in (*NUMBERS, "test")} | {"untested": line["fault"]}

    def mark(self, cell: Cell, row: str, domain: str, best_other: str | None, notes: Footnotes) -> None:
        """Add a row's mark to its AUC: an asterisk where the reference stands out from the best other row."""
        if cell.value is None:
            return
        line = self.found[row, domain]
        if row == self.reference:
            best = self.found.get((best_other or "", domain))
            if best is not None and _significant(best) and best["difference"] > 0:
                self._add(STAR, cell)
        elif line["p"] is not None and not _significant(line):
            self._add(LEVEL_WITH, cell)
        if line["fault"] and self.tested:
            cell.footnotes.append(notes.number(self._why(line["fault"])))

    def _add(self, mark: str, cell: Cell) -> None:
        cell.text += mark
        self.shown.add(mark)

    def legend(self) -> list[str]:
        """What the marks that were made mean, which test they come from, and what it cannot say."""
        if not self.tested:
            return [self._why(self.faults[0])] if self.faults else []
        said = {
            STAR: f"{STAR}: {self.title} is significantly above the best other row{self._yet()}.",
            LEVEL_WITH: f"{LEVEL_WITH}: cannot be told from {self.title} with these test rows, which is not to say "
            "equal: few rows tell little apart.",
        }
        return [*(said[mark] for mark in said if mark in self.shown), self._test()]

    def _yet(self) -> str:
        return " of those that are there" if len(self.tested) < self.wanted else ""

    def _test(self) -> str:
        against = f"{self.wanted} comparison{'s' * (self.wanted != 1)} with {self.title}"
        many = f"p < {ALPHA}, two-sided, Holm-adjusted for the table's {against}"
        if self.tested[0]["test"] == BOOTSTRAP:
            return (
                f"Test ({many}): paired bootstrap of AUCs averaged over seeds, {DRAWS:,} draws of test rows; "
                f"{self._noise()}."
            )
        return (
            f"Test ({many}): DeLong's, on the same test rows. Of the noise of training it knows nothing: with another "
            "seed, the order may be another one."
        )

    def _noise(self) -> str:
        """What is made of the noise of training, of which one seed alone tells nothing."""
        counts = {line["seeds"] for line in self.found.values() if line["seeds"]}
        known = [str(count) for count in sorted(counts - {1})]
        unknown = "where there is one seed alone, the noise of training is unknown, and left out"
        if not known:
            return unknown
        told = f"the noise of training is estimated from {' to '.join(dict.fromkeys((known[0], known[-1])))} seeds"
        return f"{told}, which is few, and added{f'; {unknown}' if 1 in counts else ''}"

    def _why(self, fault: str) -> str:
        """One footnote for all that is missing, so that lost files do not bury the table."""
        if fault == NO_VARIATION:
            return f"Not tested for significance: {fault}."
        missing = [fault for fault in self.faults if fault != NO_VARIATION]
        more = f" There are {len(missing) - 1} more like this: see `untested` in --format json." if missing[1:] else ""
        return f"Not tested for significance: {missing[0]}.{more}"


def untested(plan: Plan) -> list[str]:
    """Why nothing is tested, where there are several rows and none of them is the reference."""
    reference = plan.table.reference
    if len(plan.models) < 2 or reference in [model.name for model in plan.models]:
        return []
    left_out = f"Not tested for significance: the reference, {reference}, is not among these rows."
    return [left_out if reference else UNTESTED]


def best_of(aucs: Mapping[str, float | None]) -> str | None:
    """The row with the highest AUC."""
    known = {name: auc for name, auc in aucs.items() if auc is not None}
    return max(known, key=lambda name: known[name]) if known else None


def _significant(line: dict[str, Any]) -> bool:
    return line["p_holm"] is not None and line["p_holm"] < ALPHA
