"""Records as TensorBoard's event files: `tensorboard --logdir <results>/trackers/tensorboard`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from ctrbench.bench.folders import RunFolder
from ctrbench.bench.records import Record
from ctrbench.bench.trackers import curve, outcome, settings, title


class TensorBoard:
    """One folder of event files per run, named like the run's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, record: Record) -> bool:
        """A folder is there when it is whole."""
        return self._place(record).is_dir()

    def add(self, record: Record) -> None:
        """Written beside its place, and put there when it is whole."""
        place = self._place(record)
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        try:
            _write(beside, record)
            shutil.rmtree(place, ignore_errors=True)
            beside.rename(place)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def close(self) -> None:
        """Nothing stays open."""

    def _place(self, record: Record) -> Path:
        return RunFolder.of(self.folder, record.dataset.name, record.spec).path


def _write(folder: Path, record: Record) -> None:
    """Curves by epoch; what came of it, and the settings, where TensorBoard compares runs (HPARAMS)."""
    chosen, found, epochs = settings(record), outcome(record), curve(record)
    last = epochs[-1][0] if epochs else 0
    with SummaryWriter(str(folder)) as writer:
        writer.add_text("run", f"{title(record)}: {record.status}. {record.error or ''}", last)
        writer.add_text("settings", "\n".join(f"    {name} = {value}" for name, value in chosen.items()), last)
        for epoch, values in epochs:
            for name, value in values.items():
                writer.add_scalar(name, value, epoch)
        writer.add_hparams(chosen, found, run_name=".", global_step=last)
