"""A mapping for a table whose columns have the obvious names. Sure, or none."""

from collections.abc import Iterable
from typing import Final

from collector.logs.generic import COMPLETION_TOTAL, PROMPT_TOTAL, TIME, Column, Mapping
from db.meters import COMPLETION, PROMPT

_NAMES: Final = {
    TIME: "timestamp time createdat requesttime requestcreatedat starttime datetime",
    "id": "requestid generationid",
    "model": "model modelname modelid",
    "provider": "provider providername",
    "endpoint": "endpoint endpointid",
    "variant": "variant servicetier",
    "project": "project projectid projectname",
    "api_key": "apikeyid apikeyname apikeyalias",
    "user": "user userid username enduser",
    "cost": "costusd usdcost",
    "requests": "numrequests requestcount",
    "total_tokens": "totaltokens",
    PROMPT: "prompttokens inputtokens contexttokens",
    COMPLETION: "completiontokens outputtokens generatedtokens",
}
"""Target -> the names that mean it and nothing else, in small letters and without separators."""
_DISJOINT: Final = {
    "cachereadinputtokens": "input_cache_read",
    "cachecreationinputtokens": "input_cache_write",
}
"""Details by Anthropic's names, beside which `input_tokens` counts the rest."""
_INSIDE: Final = {
    "cachedtokens": "input_cache_read",
    "promptcachedtokens": "input_cache_read",
    "cachedprompttokens": "input_cache_read",
    "cachedinputtokens": "input_cache_read",
    "inputcachedtokens": "input_cache_read",
}
"""Details by OpenAI's names, which the count of the prompt includes."""
_THOUGHT: Final = ("reasoningtokens", "completionreasoningtokens", "outputreasoningtokens", "reasoningoutputtokens")
_UNCLEAR: Final = ("cache", "reason", "think", "audio", "image")
"""A column with one of these in its name, and no meaning that is known, makes any guess at the tokens unsure."""


def guess_mapping(column_names: Iterable[str]) -> Mapping | None:
    """The mapping of columns that leave no doubt: a time, a prompt and a completion count, and what else is known."""
    names = list(column_names)
    meanings = {alias: target for target, aliases in _NAMES.items() for alias in aliases.split()}
    known = meanings | _DISJOINT | _INSIDE | dict.fromkeys(_THOUGHT, "internal_reasoning")
    columns: dict[str, Column] = {}
    plain = {each: "".join(c for c in each.lower() if c.isalnum()) for each in names}
    for each, alias in plain.items():
        target = known.get(alias)
        if target is None and any(word in alias for word in _UNCLEAR):
            return None
        if target in columns:
            return None
        if target is not None:
            columns[target] = Column(each)
    if not {TIME, PROMPT, COMPLETION} <= columns.keys() or len(plain) != len(names):
        return None
    return _with_totals(columns, set(plain.values()))


def _with_totals(columns: dict[str, Column], aliases: set[str]) -> Mapping | None:
    """Counts that include others, where the others are there; None where both conventions are."""
    inside, disjoint = not aliases.isdisjoint(_INSIDE), not aliases.isdisjoint(_DISJOINT)
    if inside and disjoint:
        return None
    includes = {PROMPT: (PROMPT_TOTAL, inside), COMPLETION: (COMPLETION_TOTAL, not aliases.isdisjoint(_THOUGHT))}
    renamed = {
        includes[target][0] if target in includes and includes[target][1] else target: column
        for target, column in columns.items()
    }
    return Mapping(renamed)
