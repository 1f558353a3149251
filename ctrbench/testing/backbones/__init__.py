"""What every backbone promises, as tests that its author subclasses."""

from __future__ import annotations

from ctrbench.testing.backbones.encoders import EncoderPromises
from ctrbench.testing.backbones.names import NamePromises
from ctrbench.testing.backbones.tokens import TokenPromises


class BackboneTests(NamePromises, TokenPromises, EncoderPromises):
    """Subclass it with a name that starts with `Test`, and name the backbone; pytest does the rest.

    ```python
    class TestMyBackbone(BackboneTests):
        backbone = resolve
        names = ("my-bert",)
    ```

    pytest must be installed. Nothing is fetched: of names whose files are not here, only what they say is tested.
    """
