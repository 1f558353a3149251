"""What every dataset source promises, as tests that its author subclasses."""

from __future__ import annotations

from ctrbench.testing.sources.about import AboutPromises
from ctrbench.testing.sources.again import AgainPromises
from ctrbench.testing.sources.files import FilePromises
from ctrbench.testing.sources.future import FuturePromises
from ctrbench.testing.sources.preparing import PreparingPromises
from ctrbench.testing.sources.rows import RowPromises


class SourceTests(AboutPromises, RowPromises, FilePromises, AgainPromises, FuturePromises, PreparingPromises):
    """Subclass it with a name that starts with `Test`, and name the source; pytest does the rest.

    ```python
    class TestMySource(SourceTests):
        source = MySource
        options = {"scale": 0.1}

        def raw_files(self, folder):
            (folder / "clicks.csv").write_text(...)
    ```

    A source that makes its files (`automatic`) needs no `raw_files`; any other is tested on small, good files: ten
    rows of each domain at least, clicks and others, of several times, and better thirty rows of each label. That no
    column shows what came later is tested on these files without the lines of their latest rows; where a row is no
    line of text with its user and item, override `raw_files_until`. pytest must be installed.
    """
