"""What a source promises of being prepared, as every dataset is."""

from __future__ import annotations

from ctrbench.data.audit import audit
from ctrbench.testing.promises import promise
from ctrbench.testing.sources.subject import SourceSubject


class PreparingPromises(SourceSubject):
    """What a source promises of being prepared, as every dataset is."""

    @promise("leave out of the tables what is bad, and write raw files in which nothing is; see the reason below.")
    def test_good_files_have_no_bad_row(self) -> None:
        """Of good raw files, no row is bad: each has all that it needs, and an item that is described."""
        told = [f"{p.count:,} {p.table}: {p.reason}" for p in self._prepared().manifest.problems if p.error]
        assert not told, "; ".join(told)

    @promise("write raw files with ten rows of each domain at least; let `time` and `domain` be those of the row.")
    def test_every_split_of_every_domain_has_rows(self) -> None:
        """Each domain has rows to train on, to choose the best epoch by, and to test on."""
        data = self._prepared()
        for split in ("train", "valid", "test"):
            counts = data.counts(split)
            empty = [domain for domain in data.domains if not counts.get(domain)]
            assert not empty, f"no {split} row of {', '.join(empty)} (there are {sum(counts.values()):,} of others)"

    @promise("let the tables say what the raw files say; `ctrbench data audit` on the prepared folder shows more.")
    def test_the_prepared_dataset_passes_the_audit(self) -> None:
        """Prepared, the dataset passes every check of `ctrbench data audit` on rows, splits, histories and features."""
        failed = [check for check in audit(self._prepared()).checks if check.result == "fails"]
        assert not failed, "; ".join(f"not so that {check.name}: {check.found}" for check in failed)
