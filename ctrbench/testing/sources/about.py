"""What a source promises to say of itself."""

from __future__ import annotations

import json

import polars as pl
from pydantic import BaseModel, ValidationError

from ctrbench.data.checks import check_domain_names
from ctrbench.data.taken import source_fault
from ctrbench.data.templates import check_prompt
from ctrbench.testing.promises import promise
from ctrbench.testing.sources.subject import SourceSubject

_FITS = {
    "id": ("text or whole numbers", lambda kind: kind in (pl.String, pl.Boolean, pl.Categorical) or kind.is_integer()),
    "number": ("numbers", lambda kind: kind.is_numeric() or kind == pl.Boolean),
    "history": ("lists of item ids", lambda kind: kind == pl.List(pl.String)),
    "text": ("text", lambda kind: kind in (pl.String, pl.Categorical)),
}
"""What a column of a field's kind holds, and whether a type does."""


class AboutPromises(SourceSubject):
    """What a source promises to say of itself."""

    @promise(
        "give every option a default and a type that JSON can hold, describe them in the docstring of `Options`, "
        'and set `model_config = ConfigDict(frozen=True, extra="forbid")`.'
    )
    def test_options_are_typed_and_closed(self) -> None:
        """`Options` have a docstring and defaults, are frozen, go through JSON, and refuse an unknown key."""
        kind = self._kind().Options
        assert issubclass(kind, BaseModel), f"`Options` is {kind!r}, no pydantic model"
        assert kind.__doc__, "`Options` has no docstring"
        for options in (kind(), self._load().options):
            there_and_back = kind.model_validate(json.loads(json.dumps(options.model_dump(mode="json"))))
            assert there_and_back == options, f"{options!r} became {there_and_back!r}"
        assert kind.model_config.get("frozen"), "`Options` are not frozen"
        try:
            kind.model_validate({**self.options, "no_such_option": 1})
        except ValidationError:
            return
        raise AssertionError("`Options` took the unknown key no_such_option")

    @promise("derive the class from `DatasetSource`, begin it with a docstring, and set these attributes on it.")
    def test_the_source_says_what_it_is(self) -> None:
        """The class has a docstring; its `version`, flags, `fields` and `prompts` are ones that ctrbench takes."""
        kind = self._kind()
        fault = source_fault(kind)
        assert not fault, f"{kind.__name__} {fault}"
        assert kind.__doc__, "there is no docstring"

    @promise("name each column once in `fields`, with the kind that its values have, or give the tables that column.")
    def test_fields_are_columns(self) -> None:
        """Each of `fields` is a column of the rows or of the items, with values that suit its kind."""
        data, fields = self._prepared(), self._load().at(self._raw()).fields
        assert fields, "there are no fields"
        columns = {**data.items.schema, **data.scan("train").collect_schema()}
        names = [field.name for field in fields]
        assert len(set(names)) == len(names), f"{max(names, key=names.count)!r} is named twice"
        for field in fields:
            assert field.name in columns, f"there is no column {field.name!r}, but {', '.join(columns)}"
            wanted, fits = _FITS[field.kind]
            found = columns[field.name]
            assert fits(found), f"{field.name!r} is of kind {field.kind!r}, so {wanted}, and the column holds {found}"

    @promise(
        "name in braces columns of rows or items, in `history_item` columns of items; call one of `prompts` `default`."
    )
    def test_prompts_show_columns(self) -> None:
        """There is a prompt `default`, and every template names columns that it can show."""
        data, prompts = self._prepared(), self._load().at(self._raw()).prompts
        assert "default" in prompts, f"the prompts are {', '.join(prompts) or 'none'}"
        for name, prompt in prompts.items():
            check_prompt(prompt, data.scan("train"), data.items, name)

    @promise("make names of letters, digits and _ (`legal_name` makes them), and list all in `domains()`, or none.")
    def test_domains_have_the_names_that_are_declared(self) -> None:
        """Domains have names that tables and files can bear, and are among those of `domains()`; titles are texts."""
        source = self._load().at(self._raw())
        found = self._tables().rows["domain"].drop_nulls().cast(pl.String).unique().to_list()
        declared = source.domains()
        check_domain_names(found)
        if declared is not None:
            assert len(set(declared)) == len(declared), "`domains()` names a domain twice"
            check_domain_names(declared)
            odd = sorted(set(found) - set(declared))
            assert not odd, f"there are rows of {', '.join(odd)}, and `domains()` names {', '.join(declared)}"
        titles = source.domain_titles
        assert all(isinstance(title, str) and title for title in titles.values()), f"the titles are {dict(titles)}"
