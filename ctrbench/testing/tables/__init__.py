"""What every package of tables promises, as tests that its author subclasses."""

from __future__ import annotations

from ctrbench.testing.tables.files import FilePromises
from ctrbench.testing.tables.names import NamePromises


class TableTests(FilePromises, NamePromises):
    """Subclass it with a name that starts with `Test`, and name the package of tables; pytest does the rest.

    ```python
    class TestMyTables(TableTests):
        tables = "my_package.tables"
    ```

    pytest must be installed, and the plugins that the tables name.
    """
