"""From findings to a table, by the table's kind. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable

from ctrbench.bench.spec import Kind
from ctrbench.report.findings import Findings
from ctrbench.report.grid import Table
from ctrbench.report.layouts import abilities, dataset_table, latency, main_table, maps, new_domain, zero_shot


def build(findings: Findings) -> Table:
    """The table that a plan's records make; missing runs show as "-", failed ones as "failed"."""
    return LAYOUTS[findings.table.kind](findings)


LAYOUTS: dict[Kind, Callable[[Findings], Table]] = {
    "main": main_table.build,
    "zero_shot": zero_shot.build,
    "new_domain": new_domain.build,
    "abilities": abilities.build,
    "dataset": dataset_table.build,
    "map": maps.build,
    "latency": latency.build,
}
"""How each kind of table is laid out."""
