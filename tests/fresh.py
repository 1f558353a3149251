"""A fresh virtual environment that sees the packages of the running one, so that nothing needs to be downloaded."""

from __future__ import annotations

import os
import site
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

_NO_NETWORK = ("--no-index", "--no-deps", "--disable-pip-version-check")


@dataclass(frozen=True)
class Environment:
    """What is installed here is in `folder`, and goes with it; pip itself is the running environment's."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Environment:
        """A new one. The `.pth` file also reads those of the running environment, as editable installs have them."""
        venv.create(folder, symlinks=os.name != "nt")
        made = cls(folder)
        lines = [f"import site; site.addsitedir({place!r})\n" for place in site.getsitepackages()]
        (made.packages / "_running.pth").write_text("".join(lines), "utf-8")
        return made

    @property
    def packages(self) -> Path:
        """Its own site-packages."""
        return Path(self._path("purelib"))

    @property
    def files(self) -> set[Path]:
        """Everything in it."""
        return set(self.folder.rglob("*"))

    def pip_install(self, project: Path) -> None:
        """Build and install a project that lies on disk, offline."""
        done = self.python("-m", "pip", "install", "--quiet", "--no-build-isolation", *_NO_NETWORK, str(project))
        assert done.returncode == 0, done.stderr

    def pip_uninstall(self, distribution: str) -> None:
        """Remove what was installed here."""
        done = self.python("-m", "pip", "uninstall", "--quiet", "--yes", "--disable-pip-version-check", distribution)
        assert done.returncode == 0, done.stderr

    def python(
        self, *words: str, cwd: Path | None = None, timeout: float = 600, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Its interpreter with these arguments; in the environment's own folder, where no project lies about."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
        few = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "ACCELERATE_USE_CPU": "true", "COLUMNS": "140"}
        return subprocess.run(
            [str(Path(self._path("scripts"), "python")), *words],
            cwd=cwd or self.folder,
            env={**inherited, **few, **variables},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def _path(self, kind: str) -> str:
        return sysconfig.get_path(kind, "venv", {"base": str(self.folder), "platbase": str(self.folder)})
