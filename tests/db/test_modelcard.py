"""What a model card says: the size in a name, the cost tier, whose word counts, where sources disagree."""

from decimal import Decimal

import pytest

from db.prices.facts import Price
from db.prices.modelcard import (
    by_trust,
    cost_tier,
    disagreements,
    features,
    parameter_count,
    parameters,
    specifications,
)
from tests.db.quotes import endpoint, listing, price, rate
from tests.db.worlds import at


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("nousresearch/hermes-4-405b", "405B"),
        ("NousResearch/Hermes-4-405B-FP8", "405B"),
        ("mistralai/mixtral-8x7b-instruct", "56B"),
        ("mistralai/mixtral-8x22b", "176B"),
        ("qwen/qwen3-30b-a3b", "30B (3B active)"),
        ("qwen/qwen3-235b-a22b-2507", "235B (22B active)"),
        ("qwen/qwen2.5-0.5b-instruct", "0.5B"),
        ("author/model-1t", "1000B"),
        ("author/model_7b", "7B"),
        # A distilled model names the size that it has.
        ("deepseek/deepseek-r1-distill-llama-70b", "70B"),
        # These names tell the active part and the number of experts, not the whole.
        ("meta-llama/llama-4-scout-17b-16e-instruct", "17B active"),
        ("meta-llama/llama-4-maverick-17b-128e-instruct-fp8", "17B active"),
    ],
)
def test_the_parameter_count_is_read_from_the_name(name: str, size: str) -> None:
    fact = parameter_count(name)

    assert fact is not None
    assert (fact.name, fact.value) == ("parameter_count", size)
    assert fact.derived == f"from the name {name.rpartition('/')[2]}"


@pytest.mark.parametrize(
    "name",
    [
        "openai/gpt-4o",
        "openai/gpt-4-32k",
        "anthropic/claude-3.5-sonnet",
        "google/gemma-3n-e4b-it",  # an effective size
        "author/phase-2beta",
        "author/web-4bit",
        "8b-author/model",
    ],
)
def test_a_name_without_a_size_tells_none(name: str) -> None:
    assert parameter_count(name) is None


COHORT = [Decimal(usd) for usd in (0, 1, 2, 3, 4, 5, 6, 7, 8)]


@pytest.mark.parametrize(
    ("usd", "tier", "percentile"),
    [
        ("0.5", "$", 0.0),
        ("1", "$", 0.0),
        ("2", "$", 12.5),
        ("3", "$$", 25.0),
        ("4", "$$", 37.5),
        ("5", "$$$", 50.0),
        ("7", "$$$$", 75.0),
        ("8", "$$$$", 87.5),
        ("900", "$$$$", 100.0),
        ("0", "free", 0.0),
    ],
)
def test_the_cost_tier_is_the_quartile_among_paid_models(usd: str, tier: str, percentile: float) -> None:
    found = cost_tier(Decimal(usd), COHORT, "models")

    assert found is not None
    # The free model of the cohort does not count.
    assert (found.tier, found.percentile, found.n) == (tier, percentile, 8)


def test_there_is_no_cost_tier_without_a_price_or_a_cohort() -> None:
    assert cost_tier(None, COHORT, "models") is None
    assert cost_tier(Decimal(1), [Decimal(0)], "models") is None


def quoted(source: str, provider: str, prompt: str | None, **of: str) -> Price:
    return price((rate("prompt", prompt), rate("completion", "3")), 0, of=endpoint(1, source, provider, **of))


def test_sources_that_quote_an_endpoint_differently_disagree() -> None:
    found = disagreements(
        [
            quoted("openrouter", "nebius", "1"),
            quoted("models_dev", "nebius", "2"),
            quoted("genai_prices", "nebius", "1"),
            quoted("models_dev", "chutes", "9"),
        ]
    )

    (only,) = found
    assert (only.provider, only.meter, only.ratio) == ("nebius", "prompt", Decimal(2))
    assert only.quotes == (
        ("openrouter", Decimal("0.000001")),
        ("models_dev", Decimal("0.000002")),
        ("genai_prices", Decimal("0.000001")),
    )


def test_another_variant_quantization_or_a_dynamic_price_is_no_disagreement() -> None:
    assert (
        disagreements(
            [
                quoted("openrouter", "nebius", "1"),
                quoted("models_dev", "nebius", "2", variant="batch"),
                quoted("models_dev", "nebius", "4", quantization="fp8"),
                quoted("genai_prices", "nebius", None),
            ]
        )
        == []
    )


def test_a_disagreement_with_free_has_no_ratio() -> None:
    found = disagreements([quoted("openrouter", "nebius", "0"), quoted("models_dev", "nebius", "2")])

    assert [(d.meter, d.ratio) for d in found] == [("prompt", None)]


def test_whose_word_counts_first() -> None:
    of_openai = {"model": "openai/gpt-4o"}
    told = [
        listing(endpoint(1, "genai_prices", "azure", **of_openai)),
        listing(endpoint(2, "models_dev", "azure", **of_openai)),
        listing(endpoint(3, "models_dev", "openai", **of_openai)),
        listing(endpoint(4, "openrouter", "azure", **of_openai)),
        listing(endpoint(5, "openrouter", "openrouter", variant="free", **of_openai)),
        listing(endpoint(6, "openrouter", "openrouter", **of_openai)),
    ]

    # The lister's plain model, its variant, its endpoints; then the author's own API, then the others by source.
    assert [each.endpoint.id for each in by_trust(told)] == [6, 5, 4, 3, 2, 1]


def test_each_specification_comes_from_the_first_that_says_it() -> None:
    lister = endpoint(1, model="author/model-7b")
    other = endpoint(2, "models_dev", "nebius", model="author/model-7b")
    facts = specifications(
        "author/model-7b",
        [
            listing(lister, at(1), context_length=131_072, created=1_756_000_000),
            listing(other, at(2), context_length=128_000, released="2025-08-26", open_weights=True),
        ],
    )

    assert [(f.name, f.value, f.source, f.since) for f in facts] == [
        ("parameter_count", "7B", "author/model-7b", None),
        ("context_length", 131_072, lister.name, at(1)),
        ("released", "2025-08-26", other.name, at(2)),
        ("created", "2025-08-24", lister.name, at(1)),
        ("open_weights", True, other.name, at(2)),
    ]


def test_the_size_in_the_hugging_face_name_comes_before_the_one_in_the_id() -> None:
    (size, *_) = specifications("author/model-large", [listing(hugging_face_id="Author/Model-123B")])

    assert (size.value, size.derived) == ("123B", "from the name Model-123B")


def test_what_nobody_says_is_left_out() -> None:
    assert specifications("author/model", [listing()]) == []


def test_features_in_words() -> None:
    told = [
        listing(parameters=("tools", "temperature"), input_modalities=("image", "text"), open_weights=True),
        listing(parameters=("seed",), output_modalities=("image", "text"), implicit_caching=True),
    ]

    assert parameters(told) == ("seed", "temperature", "tools")
    assert features(told) == (
        "Tool calling",
        "Reproducible seed",
        "Vision",
        "Image output",
        "Implicit caching",
        "Open weights",
    )
