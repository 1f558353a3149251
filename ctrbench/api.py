"""All that a plugin may import: contracts, layers, field types and errors.

Names are imported when first used, so that a dataset plugin does not load torch. They are a promise, recorded in
`tests/api_snapshot.json`: whoever changes one records it anew and names it in the CHANGELOG, and a name that goes is
deprecated first (`ctrbench.deprecations`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ctrbench import deprecations as _deprecations

if TYPE_CHECKING:
    from ctrbench._version import (
        API_VERSION as API_VERSION,
    )
    from ctrbench.backbones.files import (
        BackboneFiles as BackboneFiles,
        resolve_backbone as resolve_backbone,
    )
    from ctrbench.backbones.known import (
        byte_tokenizer as byte_tokenizer,
    )
    from ctrbench.backbones.load import (
        load_encoder as load_encoder,
        load_tokenizer as load_tokenizer,
    )
    from ctrbench.backbones.lora import (
        with_lora as with_lora,
    )
    from ctrbench.backbones.structure import (
        encoder_layers as encoder_layers,
        final_norm as final_norm,
        is_causal as is_causal,
        positions as positions,
    )
    from ctrbench.data.checks import (
        legal_name as legal_name,
    )
    from ctrbench.data.clean import (
        clean_text as clean_text,
        is_range as is_range,
        price_text as price_text,
        read_price as read_price,
        states_price as states_price,
        was_page_code as was_page_code,
        was_rewritten as was_rewritten,
    )
    from ctrbench.data.inspection import (
        InspectedColumn as InspectedColumn,
        Inspection as Inspection,
    )
    from ctrbench.data.json_lines import (
        scan_json_lines as scan_json_lines,
    )
    from ctrbench.data.lines import (
        BROKEN as BROKEN,
        examples as examples,
        reading as reading,
        scan_lines as scan_lines,
        take_good as take_good,
    )
    from ctrbench.data.problems import (
        Problems as Problems,
    )
    from ctrbench.data.remote import (
        RemoteFile as RemoteFile,
    )
    from ctrbench.data.source import (
        Counts as Counts,
        DatasetSource as DatasetSource,
        Field as Field,
        Prompt as Prompt,
        StandIn as StandIn,
    )
    from ctrbench.data.templates import (
        check_prompt as check_prompt,
    )
    from ctrbench.deprecations import (
        CtrbenchDeprecation as CtrbenchDeprecation,
    )
    from ctrbench.errors import (
        BackboneError as BackboneError,
        ConfigError as ConfigError,
        CtrbenchError as CtrbenchError,
        DataError as DataError,
        NoGeneralHead as NoGeneralHead,
        OutputError as OutputError,
        PluginError as PluginError,
        UnknownDomain as UnknownDomain,
    )
    from ctrbench.features.batch import (
        Batch as Batch,
    )
    from ctrbench.features.featurizer import (
        FeatureInfo as FeatureInfo,
        Featurizer as Featurizer,
    )
    from ctrbench.features.ids import (
        IdFeaturizer as IdFeaturizer,
    )
    from ctrbench.features.ragged import (
        Ragged as Ragged,
    )
    from ctrbench.features.tokens import (
        TextFeaturizer as TextFeaturizer,
    )
    from ctrbench.models.contract import (
        CTRModel as CTRModel,
    )
    from ctrbench.models.layers.attention import (
        masked_softmax as masked_softmax,
    )
    from ctrbench.models.layers.bilinear import (
        FieldBilinear as FieldBilinear,
    )
    from ctrbench.models.layers.deepctr import (
        deepctr_module as deepctr_module,
    )
    from ctrbench.models.layers.domain import (
        DomainVector as DomainVector,
    )
    from ctrbench.models.layers.dropout import (
        Dropout as Dropout,
    )
    from ctrbench.models.layers.embedding import (
        FieldEmbedding as FieldEmbedding,
        WideEmbedding as WideEmbedding,
    )
    from ctrbench.models.layers.mixture import (
        Experts as Experts,
        mixture as mixture,
    )
    from ctrbench.models.layers.mlp import (
        mlp as mlp,
    )
    from ctrbench.models.layers.product import (
        inner_products as inner_products,
    )
    from ctrbench.models.per_domain import (
        PerDomain as PerDomain,
    )
    from ctrbench.models.sizes import (
        Rate as Rate,
        Size as Size,
        Sizes as Sizes,
        Weight as Weight,
    )
    from ctrbench.spelling import (
        suggest as suggest,
    )
    from ctrbench.validation import (
        explain as explain,
    )

_WHERE = {
    "API_VERSION": "ctrbench._version:API_VERSION",
    "BROKEN": "ctrbench.data.lines:BROKEN",
    "BackboneError": "ctrbench.errors:BackboneError",
    "BackboneFiles": "ctrbench.backbones.files:BackboneFiles",
    "Batch": "ctrbench.features.batch:Batch",
    "CTRModel": "ctrbench.models.contract:CTRModel",
    "ConfigError": "ctrbench.errors:ConfigError",
    "Counts": "ctrbench.data.source:Counts",
    "CtrbenchDeprecation": "ctrbench.deprecations:CtrbenchDeprecation",
    "CtrbenchError": "ctrbench.errors:CtrbenchError",
    "DataError": "ctrbench.errors:DataError",
    "DatasetSource": "ctrbench.data.source:DatasetSource",
    "DomainVector": "ctrbench.models.layers.domain:DomainVector",
    "Dropout": "ctrbench.models.layers.dropout:Dropout",
    "Experts": "ctrbench.models.layers.mixture:Experts",
    "FeatureInfo": "ctrbench.features.featurizer:FeatureInfo",
    "Featurizer": "ctrbench.features.featurizer:Featurizer",
    "Field": "ctrbench.data.source:Field",
    "FieldBilinear": "ctrbench.models.layers.bilinear:FieldBilinear",
    "FieldEmbedding": "ctrbench.models.layers.embedding:FieldEmbedding",
    "IdFeaturizer": "ctrbench.features.ids:IdFeaturizer",
    "InspectedColumn": "ctrbench.data.inspection:InspectedColumn",
    "Inspection": "ctrbench.data.inspection:Inspection",
    "NoGeneralHead": "ctrbench.errors:NoGeneralHead",
    "OutputError": "ctrbench.errors:OutputError",
    "PerDomain": "ctrbench.models.per_domain:PerDomain",
    "PluginError": "ctrbench.errors:PluginError",
    "Problems": "ctrbench.data.problems:Problems",
    "Prompt": "ctrbench.data.source:Prompt",
    "Ragged": "ctrbench.features.ragged:Ragged",
    "Rate": "ctrbench.models.sizes:Rate",
    "RemoteFile": "ctrbench.data.remote:RemoteFile",
    "Size": "ctrbench.models.sizes:Size",
    "Sizes": "ctrbench.models.sizes:Sizes",
    "StandIn": "ctrbench.data.source:StandIn",
    "TextFeaturizer": "ctrbench.features.tokens:TextFeaturizer",
    "UnknownDomain": "ctrbench.errors:UnknownDomain",
    "Weight": "ctrbench.models.sizes:Weight",
    "WideEmbedding": "ctrbench.models.layers.embedding:WideEmbedding",
    "byte_tokenizer": "ctrbench.backbones.known:byte_tokenizer",
    "check_prompt": "ctrbench.data.templates:check_prompt",
    "clean_text": "ctrbench.data.clean:clean_text",
    "deepctr_module": "ctrbench.models.layers.deepctr:deepctr_module",
    "encoder_layers": "ctrbench.backbones.structure:encoder_layers",
    "examples": "ctrbench.data.lines:examples",
    "explain": "ctrbench.validation:explain",
    "final_norm": "ctrbench.backbones.structure:final_norm",
    "inner_products": "ctrbench.models.layers.product:inner_products",
    "is_causal": "ctrbench.backbones.structure:is_causal",
    "is_range": "ctrbench.data.clean:is_range",
    "legal_name": "ctrbench.data.checks:legal_name",
    "load_encoder": "ctrbench.backbones.load:load_encoder",
    "load_tokenizer": "ctrbench.backbones.load:load_tokenizer",
    "masked_softmax": "ctrbench.models.layers.attention:masked_softmax",
    "mixture": "ctrbench.models.layers.mixture:mixture",
    "mlp": "ctrbench.models.layers.mlp:mlp",
    "positions": "ctrbench.backbones.structure:positions",
    "price_text": "ctrbench.data.clean:price_text",
    "read_price": "ctrbench.data.clean:read_price",
    "reading": "ctrbench.data.lines:reading",
    "resolve_backbone": "ctrbench.backbones.files:resolve_backbone",
    "scan_json_lines": "ctrbench.data.json_lines:scan_json_lines",
    "scan_lines": "ctrbench.data.lines:scan_lines",
    "states_price": "ctrbench.data.clean:states_price",
    "suggest": "ctrbench.spelling:suggest",
    "take_good": "ctrbench.data.lines:take_good",
    "was_page_code": "ctrbench.data.clean:was_page_code",
    "was_rewritten": "ctrbench.data.clean:was_rewritten",
    "with_lora": "ctrbench.backbones.lora:with_lora",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        return _deprecated(name)
    globals()[name] = value = _imported(_WHERE[name])
    return value


def _deprecated(name: str) -> Any:
    """A name that goes warns each time that it is asked for."""
    if name not in _deprecations.DEPRECATIONS:
        raise AttributeError(f"ctrbench.api has no {name!r}")
    if not (where := _deprecations.DEPRECATIONS[name].where):
        raise AttributeError(_deprecations.gone(name))
    _deprecations.warn(name, stacklevel=3)
    return _imported(where)


def _imported(where: str) -> Any:
    module, _, attribute = where.partition(":")
    return getattr(import_module(module), attribute)
