"""What every model promises, as tests that its author subclasses."""

from __future__ import annotations

from ctrbench.testing.domains import DomainPromises
from ctrbench.testing.heads import HeadPromises
from ctrbench.testing.learning import LearningPromises
from ctrbench.testing.places import PlacePromises
from ctrbench.testing.rows import RowPromises
from ctrbench.testing.states import StatePromises


class ModelTests(RowPromises, LearningPromises, HeadPromises, DomainPromises, StatePromises, PlacePromises):
    """Subclass it with a name that starts with `Test`, and name the model; pytest does the rest.

    ```python
    class TestMyModel(ModelTests):
        model = MyModel
        config = {"embedding_dim": 8}
    ```
    """
