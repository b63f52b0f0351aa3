"""Which endpoint a log means. A wrong merge is worse than none, so what cannot be told stays unpriced."""

from collections.abc import Mapping
from itertools import count

import pytest

from db.catalog.facts import Endpoint, Native
from db.catalog.identity import identify, known
from db.usage.resolve import Directory, Name, Resolved, Why, resolve_all

REFERENCE = (
    "anthropic/claude-sonnet-4.5",
    "meta-llama/llama-3.3-70b-instruct",
    "nousresearch/hermes-4-405b",
    "openai/gpt-4o",
    "openai/gpt-4o-2024-05-13",
    "z-ai/glm-4.6",
)


class World:
    """A catalogue, filled by the rules that fill the real one."""

    def __init__(self, aliases: Mapping[str, str] | None = None) -> None:
        self._known = known([Native("openrouter", "openrouter", model) for model in REFERENCE], aliases)
        self._ids = count(1)
        self.endpoints: list[Endpoint] = []

    def add(self, source: str, provider: str, native: str, *, key: str = "") -> Endpoint:
        who = identify(Native(source, provider, native), self._known)
        added = Endpoint(
            id=next(self._ids),
            source=source,
            part="models",
            key=key or f"{provider}/{native}".lower(),
            scope=native,
            model=who.model,
            provider=provider,
            provider_name=provider.title(),
            native_model=native,
            variant=who.variant,
            quantization=who.quantization,
            rule=who.rule,
        )
        self.endpoints.append(added)
        return added

    def resolve(self, model: str, provider: str = "", endpoint: str = "", variant: str = "") -> Resolved:
        return Directory(self.endpoints, self._known).resolve(Name(model, provider, endpoint, variant))


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai/gpt-4o", "openai"),
        ("OpenAI/GPT-4o", "OpenAI"),
        ("gpt-4o", "openai"),
        ("gpt-4o-2024-08-06", "openai"),
    ],
)
def test_spellings_of_a_model_and_a_provider(model: str, provider: str) -> None:
    world = World()
    meant = world.add("openrouter", "openai", "openai/gpt-4o")

    assert world.resolve(model, provider).candidates == (meant,)


@pytest.mark.parametrize("provider", ["Together", "together", "togetherai", "TogetherAI"])
def test_other_names_of_a_provider(provider: str) -> None:
    world = World()
    meant = world.add("openrouter", "togetherai", "meta-llama/llama-3.3-70b-instruct")

    assert world.resolve("meta-llama/llama-3.3-70b-instruct", provider).candidates == (meant,)


def test_a_version_written_with_a_dash_and_an_author_by_another_name() -> None:
    world = World()
    claude = world.add("openrouter", "anthropic", "anthropic/claude-sonnet-4.5")
    glm = world.add("openrouter", "z-ai", "z-ai/glm-4.6")

    assert world.resolve("claude-sonnet-4-5-20250929", "anthropic").candidates == (claude,)
    assert world.resolve("zai-org/GLM-4.6", "Z.AI").candidates == (glm,)


def test_an_alias_that_the_user_declared() -> None:
    world = World({"our-gateway-model": "nousresearch/hermes-4-405b"})
    meant = world.add("openrouter", "nebius", "nousresearch/hermes-4-405b")

    assert world.resolve("Our-Gateway-Model", "Nebius Token Factory").candidates == (meant,)


def test_a_dated_model_with_a_price_of_its_own_is_that_model() -> None:
    world = World()
    plain = world.add("openrouter", "openai", "openai/gpt-4o")
    dated = world.add("openrouter", "openai", "openai/gpt-4o-2024-05-13")

    assert world.resolve("gpt-4o-2024-05-13", "openai").candidates == (dated,)
    assert world.resolve("gpt-4o", "openai").candidates == (plain,)


def test_a_dated_name_means_the_endpoint_of_that_date_before_the_undated_and_never_another_date() -> None:
    world = World()
    plain = world.add("models_dev", "openai", "gpt-4o")
    august = world.add("models_dev", "openai", "gpt-4o-2024-08-06")

    assert world.resolve("gpt-4o-2024-08-06", "openai").candidates == (august,)
    assert world.resolve("gpt-4o-2024-11-20", "openai").candidates == (plain,)
    assert world.resolve("gpt-4o", "openai").candidates == (plain,)
    world.endpoints.remove(plain)
    assert world.resolve("gpt-4o-2024-11-20", "openai").why is Why.UNKNOWN_VARIANT
    assert world.resolve("gpt-4o", "openai").candidates == (august,)


def test_a_variant_by_suffix_or_by_field() -> None:
    world = World()
    standard = world.add("openrouter", "chutes", "nousresearch/hermes-4-405b")
    free = world.add("openrouter", "chutes", "nousresearch/hermes-4-405b:free")
    batch = world.add("genai_prices", "chutes", "nousresearch/hermes-4-405b:batch")

    assert world.resolve("nousresearch/hermes-4-405b", "chutes").candidates == (standard,)
    assert world.resolve("nousresearch/hermes-4-405b:free", "chutes").candidates == (free,)
    assert world.resolve("nousresearch/hermes-4-405b", "chutes", variant="Batch").candidates == (batch,)


@pytest.mark.parametrize(("model", "variant"), [("openai/gpt-4o:free", ""), ("openai/gpt-4o", "flex")])
def test_a_variant_that_is_not_known_there_is_not_billed_as_the_standard_one(model: str, variant: str) -> None:
    world = World()
    world.add("openrouter", "openai", "openai/gpt-4o")

    resolved = world.resolve(model, "openai", variant=variant)
    assert (resolved.why, resolved.candidates) == (Why.UNKNOWN_VARIANT, ())
    assert resolved.hint == "known variants: standard"


@pytest.mark.parametrize("variant", ["free", "batch", "priority"])
def test_a_plain_name_is_never_billed_as_free_or_otherwise_special(variant: str) -> None:
    world = World()
    world.add("openrouter", "openai", f"openai/gpt-4o:{variant}")

    resolved = world.resolve("openai/gpt-4o", "openai")
    assert (resolved.why, resolved.candidates) == (Why.UNKNOWN_VARIANT, ())
    assert resolved.hint == f"known variants: {variant}"


def test_the_preferred_source_first_and_the_others_behind_it() -> None:
    world = World()
    litellm = world.add("litellm", "openai", "gpt-4o")
    genai = world.add("genai_prices", "openai", "gpt-4o")
    openrouter = world.add("openrouter", "openai", "openai/gpt-4o")
    models_dev = world.add("models_dev", "openai", "gpt-4o")

    resolved = world.resolve("gpt-4o", "openai")
    assert resolved.candidates == (openrouter, models_dev, genai, litellm)
    assert resolved.chosen_among == 1


def test_several_endpoints_of_one_model_at_one_provider_are_a_choice_that_is_told() -> None:
    world = World()
    first = world.add("openrouter", "nebius", "nousresearch/hermes-4-405b", key="h4@nebius/fp8")
    world.add("openrouter", "nebius", "nousresearch/hermes-4-405b", key="h4@nebius/bf16")

    resolved = world.resolve("nousresearch/hermes-4-405b", "nebius")
    assert (resolved.candidates, resolved.chosen_among) == ((first,), 2)


def test_an_endpoint_that_the_log_names_itself_is_no_choice() -> None:
    world = World()
    world.add("openrouter", "nebius", "nousresearch/hermes-4-405b", key="h4@nebius/fp8")
    second = world.add("openrouter", "nebius", "nousresearch/hermes-4-405b", key="h4@nebius/bf16")

    resolved = world.resolve("nousresearch/hermes-4-405b", "nebius", endpoint="H4@Nebius/bf16")
    assert (resolved.candidates, resolved.chosen_among) == ((second,), 1)


def test_what_is_not_known_says_why_and_what_may_help() -> None:
    world = World()
    world.add("openrouter", "openai", "openai/gpt-4o")
    world.add("openrouter", "azure", "openai/gpt-4o")

    def said(model: str, provider: str = "") -> tuple[Why | None, str]:
        resolved = world.resolve(model, provider)
        assert resolved.candidates == ()
        return resolved.why, resolved.hint

    assert said("") == (Why.NO_MODEL, "--model names it")
    assert said("openai/gpt-4o") == (Why.NO_PROVIDER, "--provider names it: azure, openai")
    assert said("openai/gpt-4o", "chutes") == (Why.UNKNOWN_PROVIDER, "it is known at: azure, openai")
    assert said("openai/gpt-40", "openai") == (Why.UNKNOWN_MODEL, "ratecard alias openai/gpt-40 openai/gpt-4o")
    assert said("gpt-4oo", "chutes") == (Why.UNKNOWN_MODEL, "ratecard alias gpt-4oo openai/gpt-4o")
    assert said("our-own-finetune", "chutes")[1] == "ratecard alias our-own-finetune AUTHOR/MODEL"


def test_a_similar_name_is_suggested_and_never_taken() -> None:
    world = World()
    world.add("openrouter", "openai", "openai/gpt-4o")

    assert world.resolve("openai/gpt-4o-mini", "openai").candidates == ()
    assert world.resolve("gpt-4", "openai").candidates == ()


def test_names_are_resolved_one_by_one() -> None:
    world = World()
    meant = world.add("openrouter", "openai", "openai/gpt-4o")
    names = [Name("openai/gpt-4o", "openai"), Name("nobody/knows", "openai")]

    found = resolve_all(names, Directory(world.endpoints, known([])))
    assert [found[name].candidates for name in names] == [(meant,), ()]
