"""What every model promises, as tests that its author subclasses."""

from __future__ import annotations

from ctrbench.testing.domains import DomainPromises
from ctrbench.testing.heads import HeadPromises
from ctrbench.testing.isolation import IsolationPromises
from ctrbench.testing.learning import LearningPromises
from ctrbench.testing.places import PlacePromises
from ctrbench.testing.rows import RowPromises
from ctrbench.testing.spaces import SpacePromises
from ctrbench.testing.states import StatePromises


class ModelTests(
    RowPromises,
    LearningPromises,
    IsolationPromises,
    HeadPromises,
    SpacePromises,
    DomainPromises,
    StatePromises,
    PlacePromises,
):
    """Subclass it with a name that starts with `Test`, and name the model; pytest does the rest.

    ```python
    class TestMyModel(ModelTests):
        model = MyModel
        config = {"embedding_dim": 8}
    ```

    pytest must be installed. It takes about two seconds for a model of ids with small sizes, and fifteen for a small
    language model. A promise that does not apply is overridden with its reason:

    ```python
        @pytest.mark.skip(reason="its experts are pruned per domain")
        def test_what_only_one_domain_trains_is_in_per_domain(self): ...

        @pytest.mark.xfail(reason="to be mended")
        def test_bfloat16(self):
            super().test_bfloat16()
    ```
    """
