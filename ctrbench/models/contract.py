"""What a model is: a batch in, one logit per row out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from ctrbench.errors import ConfigError, NoGeneralHead, UnknownDomain
from ctrbench.features.batch import Batch
from ctrbench.features.ids import IdFeaturizer
from ctrbench.models.per_domain import PerDomain

if TYPE_CHECKING:
    from ctrbench.features.featurizer import FeatureInfo, Featurizer

OWN, GENERAL, MEAN = "own", "general", "mean"

_MOST_IDS = 2**31 - 1

Logits = Callable[[Batch], Tensor]


class CTRModel(nn.Module, ABC):
    """Base of every model plugin (entry-point group `ctrbench.models`).

    A model has no optimiser, no device and no loop; it says which logit a row gets, and its loss. Shapes: B rows in a
    batch, F fields, T tokens, d width. A subclass has `category`, `forward`, mostly a `Config`, and a constructor that
    calls this one first: `config` is an instance of its `Config`, `features` what its featurizer tells after `fit`,
    `domains` the names that it is trained on. Raises `ConfigError` for data that the model cannot be built for.
    """

    class Config(BaseModel):
        """A model's own settings; the defaults are its paper's. Unknown keys are errors."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    category: ClassVar[Literal["single_domain", "multi_domain", "language_model"]]
    """Tables train one `single_domain` model per domain, and the others jointly on all training domains."""
    version: ClassVar[str] = "1"
    """Part of a run's identity: raise it when the model's results change."""
    train_defaults: ClassVar[Mapping[str, Any]] = {}
    """The paper's training settings, as differences from `TrainConfig`."""
    has_general_head: ClassVar[bool] = False
    """True where `forward_general` gives logits of a network of all domains, for domains that were not trained on."""
    adds_domains: ClassVar[bool] = True
    """False for a jointly trained model without a network per domain, to which no domain can be added."""
    needs_history: ClassVar[bool] = False
    """Whether the model has no meaning on a dataset without a history field (and the id field `item` that it holds)."""

    def __init__(self, config: Any, features: FeatureInfo, domains: Sequence[str]) -> None:
        super().__init__()
        if not domains:
            raise ConfigError(f"{type(self).__name__} needs at least one training domain")
        if self.needs_history and not (features.histories and "item" in features.ids):
            raise ConfigError(
                f"{type(self).__name__} needs a history field and an id field 'item', which this dataset lacks: "
                "run the table without it (--models)"
            )
        if features.vocabulary > _MOST_IDS:
            raise ConfigError(
                f"{type(self).__name__} cannot index a vocabulary of {features.vocabulary:,} ids; "
                f"at most {_MOST_IDS:,} are allowed: declare fewer id fields, or group rare ids"
            )
        self.config = config
        self.features = features
        self.domains = tuple(domains)

    @classmethod
    def featurizer(cls, config: Any) -> Featurizer:
        """The view of the rows that this model sees; unfitted."""
        return IdFeaturizer()

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """(B,) finite logits, each from the head of the row's own domain, and the same whatever the other rows are."""

    def loss(self, batch: Batch) -> Tensor:
        """What a training step minimises: a finite scalar; by default the batch's mean binary cross-entropy."""
        return functional.binary_cross_entropy_with_logits(self(batch), batch.label)

    def forward_general(self, batch: Batch) -> Tensor:
        """(B,) logits of the general network, for domains without one of their own.

        Raises `NoGeneralHead` unless a model with `has_general_head` overrides it.
        """
        raise NoGeneralHead(f"{type(self).__name__} has no general network; name a domain's head or `mean`")

    def logits(self, batch: Batch, heads: Sequence[str]) -> dict[str, Tensor]:
        """(B,) logits of each named head: `own`, `general`, `mean` (of all heads' probabilities) or a domain.

        Raises `UnknownDomain` for a domain without a head, `NoGeneralHead` where there is no general one.
        """
        return {head: self.head_logits(batch, head, self.forward, self.forward_general) for head in heads}

    def head_logits(self, batch: Batch, head: str, own: Logits, general: Logits) -> Tensor:
        """(B,) logits of one head, from functions that give a batch's own and general logits.

        A model whose heads share costly work overrides `logits`, does that work once, and calls this.
        """
        if head == OWN:
            self._require(*(name for name, _ in batch.by_domain()))
            return own(batch)
        if head == GENERAL:
            return general(batch)
        if head == MEAN:
            every = [own(batch.as_domain(name)).double().sigmoid() for name in self.domains]
            return torch.stack(every).mean(0).logit(eps=1e-12).float()
        self._require(head)
        return own(batch.as_domain(head))

    def representations(self, batch: Batch) -> Mapping[str, Tensor]:
        """(B, d) by name: what the model makes of each row on the way to its own head's logit, for maps of domains.

        None by default. A tower's last hidden layer is called `tower`; a language model's hidden states, as means over
        a row's real tokens, `h_0`, `h_1`, ... Called in eval mode; like a logit, it depends on the row alone.
        """
        return {}

    def fixed_states(self, batch: Batch) -> dict[str, Tensor]:
        """(B, T, ...) by name: what frozen parts make of each row's tokens, aligned with them; T is the padded length.

        Empty (the default) where nothing worth keeping is frozen. Training computes it once per row, without gradients
        and in eval mode, keeps it on disk, and hands it back in `batch.x` under the same names: in half precision, to
        be cast before use, and zero where a row is padded. It must be a function of the row and of frozen parts alone.
        """
        return {}

    def fixed_settings(self) -> dict[str, Any]:
        """The settings that `fixed_states` depends on, as JSON: states that are kept serve runs that differ in others.

        Frozen weights and the rows' tokens need no mention. All of the model's settings by default.
        """
        settings: dict[str, Any] = self.config.model_dump(mode="json")
        return settings

    def shardable(self) -> list[nn.Module]:
        """Large parts with frozen weights, such as a backbone's layers, of which each process may hold a share.

        Their weights are whole only while they compute, so each part is called as a module, in every pass. The module
        around them, where it is called too, stands last: its own weights stay whole.
        """
        return []

    def _require(self, *domains: str) -> None:
        """An unseen domain is an error, never a constant."""
        for domain in domains:
            if domain not in self.domains:
                raise UnknownDomain(f"no head '{domain}': this model was trained on {', '.join(self.domains)}")

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Trainable parameters by optimiser group, each in one: `sparse` (tables with sparse gradients), `dense`."""
        sparse = [
            table
            for module in self.modules()
            if isinstance(module, nn.Embedding) and module.sparse
            for table in module.parameters()
            if table.requires_grad
        ]
        known = {id(parameter) for parameter in sparse}
        dense = [p for p in self.parameters() if p.requires_grad and id(p) not in known]
        return {name: group for name, group in (("dense", dense), ("sparse", sparse)) if group}

    def notes(self) -> tuple[str, ...]:
        """What every table must say about this model's runs, e.g. that its backbone was never trained."""
        return ()

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`, but frozen parts stay in eval mode."""
        super().train(mode)
        for module in self.modules():
            learns = [parameter.requires_grad for parameter in module.parameters()]
            if module is not self and learns and not any(learns):
                module.eval()
        return self

    def add_domain(self, name: str) -> list[nn.Parameter]:
        """Give every `PerDomain` part a new network for `name`, and freeze all else; returns the new parameters.

        Raises `ConfigError` for a domain that is there, and where no part is `PerDomain`.
        """
        if name in self.domains:
            raise ConfigError(f"domain '{name}' is already one of {', '.join(self.domains)}")
        parts = [part for part in self.modules() if isinstance(part, PerDomain)]
        if not parts:
            raise ConfigError(f"{type(self).__name__} has no network per domain, so none can be added for '{name}'")
        device = next(self.parameters()).device
        self.requires_grad_(False)
        new = [parameter for part in parts for parameter in part.add(name).to(device).parameters()]
        self.domains = (*self.domains, name)
        self.train(self.training)
        return new

    def remove_domain(self, name: str) -> None:
        """Drop `name` from every `PerDomain` part; the other domains are untouched.

        Raises `UnknownDomain` for a domain that is not there, `ConfigError` for the last one.
        """
        if name not in self.domains:
            raise UnknownDomain(f"no domain '{name}' to remove: there are {', '.join(self.domains)}")
        if len(self.domains) == 1:
            raise ConfigError(f"'{name}' is the last domain of this {type(self).__name__}, which needs at least one")
        for part in [part for part in self.modules() if isinstance(part, PerDomain)]:
            part.remove(name)
        self.domains = tuple(domain for domain in self.domains if domain != name)
