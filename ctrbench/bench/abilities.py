"""What a model can do by its construction, found without training: it is built without weights, and tried."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctrbench.errors import ConfigError, in_words

if TYPE_CHECKING:
    from ctrbench.bench.plan import ModelFacts
    from ctrbench.bench.spec import RunSpec
    from ctrbench.data.store import PreparedDataset
    from ctrbench.features.featurizer import Featurizer
    from ctrbench.models.contract import CTRModel

_log = logging.getLogger(__name__)
_NEW = "a domain that no dataset has"


@dataclass(frozen=True)
class Abilities:
    """None is unknown, and `fault` says why.

    `semantics`: the model reads text, as tokens. `generalization`: it has a general head, for domains without one of
    their own. `scalability`: a domain can be added, and nothing that was there is touched; `added`: the parameters that
    this brings.
    """

    generalization: bool
    semantics: bool | None = None
    scalability: bool | None = None
    added: int | None = None
    fault: str | None = None


def abilities(model: ModelFacts, spec: RunSpec, data: PreparedDataset) -> Abilities:
    """What a row's model, with the settings of one of its runs, can do on `data`; nothing is computed or drawn."""
    import torch  # a table without this question must not wait for it

    from ctrbench.backbones.known import architecture_suffices
    from ctrbench.bench.build import build

    try:
        with torch.device("meta"), architecture_suffices():
            built, featurizer = build(spec, data, limit=1)
            added = _add(built)
        semantics = reads_text(featurizer, spec, data)
    except Exception as error:
        _log.info("what %s can do cannot be told", spec.model, exc_info=True)
        return Abilities(model.has_general_head, fault=in_words(error))
    return Abilities(model.has_general_head, semantics, added > 0, added or None)


def reads_text(featurizer: Featurizer, spec: RunSpec, data: PreparedDataset) -> bool:
    """Whether rows are tokens to the model: features of many lengths that come with a mask."""
    from ctrbench.features.loader import Rows

    rows = Rows.build(data.rows("train", spec.domains, 1), data.items, featurizer, spec.domains)
    return rows.lengths is not None


def _add(model: CTRModel) -> int:
    """How many parameters a new domain brings; 0 where none can be added without touching what is there."""
    before = model.state_dict(keep_vars=True)
    try:
        new = model.add_domain(_NEW)
    except ConfigError:
        return 0
    after = model.state_dict(keep_vars=True)
    kept = all(after.get(name) is tensor for name, tensor in before.items())
    trained = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    return sum(parameter.numel() for parameter in new) if kept and trained == {id(p) for p in new} else 0
