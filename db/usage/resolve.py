"""Which endpoint a log means. Conservative: what cannot be told stays unpriced, with a hint. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from db.catalog.facts import Endpoint, Native
from db.catalog.identity import VARIANTS, Known, identify, provider_slug, split_variant

PREFERENCE: Final = ("openrouter", "models_dev", "genai_prices")
"""Whose word on a price counts first; other sources follow by name."""


class Why(StrEnum):
    """Why usage has no price."""

    NO_MODEL = "no model named"
    UNKNOWN_MODEL = "unknown model"
    NO_PROVIDER = "no provider named"
    UNKNOWN_PROVIDER = "not known at this provider"
    UNKNOWN_VARIANT = "variant not known at this provider"
    NO_PRICE = "no price known at that time"
    NO_RATE = "no rate for a meter that was used"


@dataclass(frozen=True, slots=True)
class Name:
    """What a log calls an endpoint; empty where it does not say."""

    model: str
    provider: str = ""
    endpoint: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name means.

    `model`, `provider`: in the catalogue's spelling, as far as known. `candidates`: the endpoints whose price counts,
    the preferred first; none says `why`, and `hint` what may help. `chosen_among`: how many endpoints of the
    preferred source would have matched; more than 1 is an assumption.
    """

    name: Name
    model: str
    provider: str
    candidates: tuple[Endpoint, ...] = ()
    why: Why | None = None
    hint: str = ""
    chosen_among: int = 1


class Directory:
    """The catalogue, ready for lookups by name."""

    def __init__(self, endpoints: Iterable[Endpoint], known: Known) -> None:
        self._known = known
        self._by_model: dict[str, list[Endpoint]] = {}
        self._by_name: dict[str, Endpoint] = {}
        for endpoint in endpoints:
            self._by_model.setdefault(endpoint.model, []).append(endpoint)
            for name in (endpoint.name, endpoint.key):
                self._by_name.setdefault(name.lower(), endpoint)
        self._slugs = {model.split("/")[-1]: model for model in self._by_model}
        # A model that nobody knows is often used in many ways, and looking for what it may be takes long.
        self._suggestions: dict[str, str] = {}

    def resolve(self, name: Name) -> Resolved:
        """The endpoints that `name` means."""
        if name.endpoint and (exact := self._by_name.get(name.endpoint.lower())):
            return Resolved(name, exact.model, exact.provider, (exact,))
        if not name.model:
            return Resolved(name, "", provider_slug(name.provider), why=Why.NO_MODEL, hint="--model names it")
        provider = provider_slug(name.provider) if name.provider else ""
        identity = identify(Native("usage", provider, name.model), self._known)
        found = self._by_model.get(identity.model)
        if found is None:
            return Resolved(name, identity.model, provider, why=Why.UNKNOWN_MODEL, hint=self._suggested(name))
        if not provider:
            names = ", ".join(sorted({e.provider for e in found}))
            return Resolved(name, identity.model, "", why=Why.NO_PROVIDER, hint=f"--provider names it: {names}")
        there = [e for e in found if e.provider == provider]
        if not there:
            names = ", ".join(sorted({e.provider for e in found}))
            return Resolved(name, identity.model, provider, why=Why.UNKNOWN_PROVIDER, hint=f"it is known at: {names}")
        resolved = Resolved(name, identity.model, provider)
        fits = _fitting(there, name.variant.lower() or split_variant(name.model)[1], identity.variant)
        if not fits:
            names = ", ".join(sorted({e.variant or "standard" for e in there}))
            return replace(resolved, why=Why.UNKNOWN_VARIANT, hint=f"known variants: {names}")
        return _chosen(resolved, fits)

    def _suggested(self, name: Name) -> str:
        """An alias that may be meant."""
        if name.model not in self._suggestions:
            self._suggestions[name.model] = self._closest(name)
        return self._suggestions[name.model]

    def _closest(self, name: Name) -> str:
        asked = name.model.lower()
        close = get_close_matches(asked, self._by_model, 1, 0.75) or [
            self._slugs[slug] for slug in get_close_matches(asked.split("/")[-1], self._slugs, 1, 0.75)
        ]
        return f"ratecard alias {name.model} {close[0]}" if close else f"ratecard alias {name.model} AUTHOR/MODEL"


def _fitting(there: Sequence[Endpoint], asked: str | None, taken_off: str | None) -> list[Endpoint]:
    """The endpoints of the right variant. `asked`: what the log says; `taken_off`: what a rule took off the name.

    What is asked for must be there. A dated name may mean the undated endpoint, and a plain name a dated one, but
    none that has a price for a reason: free, batch, flex, ...
    """
    wanted = asked or taken_off
    exact = [e for e in there if e.variant == wanted]
    if exact or asked:
        return exact
    return [e for e in there if e.variant is None or not (taken_off or set(e.variant.split()) & set(VARIANTS))]


def _chosen(resolved: Resolved, fits: Sequence[Endpoint]) -> Resolved:
    """One endpoint for each source, the preferred source first."""
    by_source: dict[str, list[Endpoint]] = {}
    for endpoint in fits:
        by_source.setdefault(endpoint.source, []).append(endpoint)
    picked: list[Endpoint] = []
    among = 1
    for source in sorted(by_source, key=_preference):
        best = sorted(by_source[source], key=lambda e: (*_distance(e, resolved.name), e.id))
        if not picked:
            among = sum(_distance(e, resolved.name) == _distance(best[0], resolved.name) for e in best)
        picked.append(best[0])
    return replace(resolved, candidates=tuple(picked), chosen_among=among)


def _preference(source: str) -> tuple[int, str]:
    return (PREFERENCE.index(source) if source in PREFERENCE else len(PREFERENCE), source)


def _distance(endpoint: Endpoint, name: Name) -> tuple[bool, bool]:
    """An endpoint that bears the logged name itself is meant before one that a rule leads to."""
    return endpoint.native_model.lower() != name.model.lower(), endpoint.variant is not None


def resolve_all(names: Iterable[Name], directory: Directory) -> Mapping[Name, Resolved]:
    """Each name's meaning."""
    return {name: directory.resolve(name) for name in names}
