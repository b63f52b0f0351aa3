"""Which model a source's id is. A wrong merge is worse than none, so what must not merge is listed at length."""

import pytest

from db.catalog.facts import Identity, Native
from db.catalog.identity import Known, author_of, identify, known, provider_slug, split_variant

REFERENCE = (
    Native("openrouter", "openrouter", "nousresearch/hermes-4-405b", "NousResearch/Hermes-4-405B"),
    Native("openrouter", "openrouter", "openai/gpt-4o"),
    Native("openrouter", "openrouter", "openai/gpt-4o-2024-05-13"),
    Native("openrouter", "openrouter", "openai/gpt-4.1"),
    Native("openrouter", "openrouter", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
    Native("openrouter", "openrouter", "anthropic/claude-3.5-sonnet", None, "anthropic/claude-3-5-sonnet"),
    Native("openrouter", "openrouter", "anthropic/claude-sonnet-4", None, "anthropic/claude-4-sonnet-20250522"),
    Native("openrouter", "openrouter", "meta-llama/llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
    Native("openrouter", "openrouter", "meta-llama/llama-3.1-8b-instruct:free", "meta-llama/Llama-3.1-8B-Instruct"),
    Native("openrouter", "openrouter", "deepseek/deepseek-chat", "deepseek-ai/DeepSeek-V3"),
    Native("openrouter", "openrouter", "deepseek/deepseek-r1", "deepseek-ai/DeepSeek-R1"),
    Native("openrouter", "openrouter", "qwen/qwen3-30b-a3b", "Qwen/Qwen3-30B-A3B"),
    Native("openrouter", "openrouter", "z-ai/glm-4.5", "zai-org/GLM-4.5"),
    Native("openrouter", "openrouter", "mistralai/mixtral-8x7b-instruct"),
    # One name that two authors use.
    Native("openrouter", "openrouter", "alpha/merged-7b"),
    Native("openrouter", "openrouter", "beta/merged-7b"),
    # Names too plain to tell a model by.
    Native("openrouter", "openrouter", "openrouter/auto"),
    Native("openrouter", "openrouter", "perplexity/sonar"),
)


def index(**aliases: str) -> Known:
    return known(REFERENCE, {name.replace("__", "/"): model for name, model in aliases.items()})


def found(provider: str, model: str, hugging_face_id: str | None = None) -> Identity:
    return identify(Native("models_dev", provider, model, hugging_face_id), index())


@pytest.mark.parametrize(
    ("provider", "native", "model", "variant", "quantization", "rule"),
    [
        # Only the case differs.
        ("nebius", "NousResearch/Hermes-4-405B", "nousresearch/hermes-4-405b", None, None, "same id"),
        ("vercel", "openai/gpt-4o", "openai/gpt-4o", None, None, "same id"),
        # A quantization or an enclave in the name is a variant of the same model.
        ("chutes", "NousResearch/Hermes-4-405B-FP8", "nousresearch/hermes-4-405b", None, "fp8", "same id"),
        ("chutes", "deepseek-ai/DeepSeek-R1-TEE", "deepseek/deepseek-r1", "tee", None, "author's other name"),
        ("chutes", "NousResearch/Hermes-4-405B-FP8-TEE", "nousresearch/hermes-4-405b", "tee", "fp8", "same id"),
        ("x", "meta-llama/Llama-3.1-8B-Instruct-AWQ", "meta-llama/llama-3.1-8b-instruct", None, "awq", "same id"),
        # A declared variant stays one.
        ("x", "openai/gpt-oss-120b:free", "openai/gpt-oss-120b", "free", None, "same id"),
        # A dated snapshot is a model of its own where the reference has it, else a variant.
        ("openai", "openai/gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13", None, None, "same id"),
        ("openai", "openai/gpt-4o-2024-08-06", "openai/gpt-4o", "2024-08-06", None, "same id"),
        ("openai", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13", None, None, "author's own API"),
        (
            "anthropic",
            "claude-sonnet-4-20250514",
            "anthropic/claude-sonnet-4",
            "20250514",
            None,
            "author's own API",
        ),
        # Bare names at the author's own API.
        ("openai", "gpt-4.1", "openai/gpt-4.1", None, None, "author's own API"),
        (
            "anthropic",
            "claude-3-5-sonnet-20241022",
            "anthropic/claude-3.5-sonnet",
            "20241022",
            None,
            "author's own API, version written with a dash",
        ),
        # Bare names elsewhere, where only one author uses them.
        ("groq", "gpt-oss-120b", "openai/gpt-oss-120b", None, None, "name that only one author uses"),
        ("bedrock", "claude-3-5-sonnet", "anthropic/claude-3.5-sonnet", None, None, "name that only one author uses"),
        # Other names of authors, and a provider's own prefixes.
        ("siliconflow", "zai-org/GLM-4.5", "z-ai/glm-4.5", None, None, "author's other name"),
        ("synthetic", "hf:deepseek-ai/DeepSeek-R1", "deepseek/deepseek-r1", None, None, "author's other name"),
        (
            "cloudflare-workers-ai",
            "@cf/meta/llama-3.1-8b-instruct-fp8",
            "meta-llama/llama-3.1-8b-instruct",
            None,
            "fp8",
            "author's other name",
        ),
        # The id on Hugging Face, where the reference calls the model otherwise.
        ("nebius", "deepseek-ai/DeepSeek-V3", "deepseek/deepseek-chat", None, None, "Hugging Face id"),
        ("x", "anthropic/claude-4-sonnet-20250522", "anthropic/claude-sonnet-4", None, None, "permanent slug"),
    ],
)
def test_these_are_the_same_model(
    provider: str, native: str, model: str, variant: str | None, quantization: str | None, rule: str
) -> None:
    assert found(provider, native) == Identity(model, variant, quantization, rule)


@pytest.mark.parametrize(
    ("provider", "native", "own"),
    [
        # Another size, generation, tuning or speed is another model.
        ("openai", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("openai", "gpt-4o-audio-preview", "openai/gpt-4o-audio-preview"),
        ("openai", "gpt-4-turbo", "openai/gpt-4-turbo"),
        ("openai", "gpt-4", "openai/gpt-4"),
        ("openai", "gpt-4-1106-preview", "openai/gpt-4-1106-preview"),
        ("openai", "gpt-4.1-mini", "openai/gpt-4.1-mini"),
        ("openai", "gpt-4o-search", "openai/gpt-4o-search"),
        ("x", "openai/gpt-oss-20b", "openai/gpt-oss-20b"),
        ("x", "meta-llama/llama-3.1-8b", "meta-llama/llama-3.1-8b"),
        ("x", "meta-llama/llama-3.1-8b-instruct-turbo", "meta-llama/llama-3.1-8b-instruct-turbo"),
        ("x", "meta-llama/llama-3.1-70b-instruct", "meta-llama/llama-3.1-70b-instruct"),
        ("x", "meta-llama/llama-3-8b-instruct", "meta-llama/llama-3-8b-instruct"),
        ("x", "mistralai/mixtral-8x7b", "mistralai/mixtral-8x7b"),
        ("x", "mistralai/mixtral-8x22b-instruct", "mistralai/mixtral-8x22b-instruct"),
        ("x", "qwen/qwen3-30b", "qwen/qwen3-30b"),
        ("x", "qwen/qwen3-30b-a3b-thinking-2507", "qwen/qwen3-30b-a3b-thinking-2507"),
        ("x", "qwen/qwen3-30b-a3b-2507", "qwen/qwen3-30b-a3b-2507"),
        ("x", "deepseek-ai/deepseek-r1-0528", "deepseek-ai/deepseek-r1-0528"),
        ("x", "deepseek-ai/deepseek-r1-distill-llama-70b", "deepseek-ai/deepseek-r1-distill-llama-70b"),
        ("x", "deepseek-ai/DeepSeek-V3.1", "deepseek-ai/deepseek-v3.1"),
        ("x", "zai-org/GLM-4.5-Air", "zai-org/glm-4.5-air"),
        ("anthropic", "claude-3-5-haiku", "anthropic/claude-3-5-haiku"),
        ("anthropic", "claude-3-sonnet", "anthropic/claude-3-sonnet"),
        ("anthropic", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("x", "nousresearch/hermes-4-70b", "nousresearch/hermes-4-70b"),
        ("x", "nousresearch/hermes-3-405b", "nousresearch/hermes-3-405b"),
        # Somebody else's tuning of a known model.
        ("x", "someone/hermes-4-405b", "someone/hermes-4-405b"),
        ("x", "someone/gpt-4o", "someone/gpt-4o"),
        # A name that two authors use, or that is too plain.
        ("groq", "merged-7b", "groq/merged-7b"),
        ("groq", "auto", "groq/auto"),
        ("groq", "sonar", "groq/sonar"),
        # At its own API a bare name means the author's model, not one that happens to be called the same.
        ("mistral", "gpt-oss-120b", "mistralai/gpt-oss-120b"),
        # Not a quantization, though it looks like one.
        ("x", "openai/gpt-4o-int3", "openai/gpt-4o-int3"),
        # Not a date, though it looks like one.
        ("x", "openai/gpt-4o-2024-99-99", "openai/gpt-4o-2024-99-99"),
    ],
)
def test_these_stay_models_of_their_own(provider: str, native: str, own: str) -> None:
    identity = found(provider, native)

    assert (identity.model, identity.rule) == (own, "own id")


def test_a_quantization_stays_known_where_the_model_is_not() -> None:
    assert found("chutes", "someone/model-9b-FP8").quantization == "fp8"


def test_a_variant_of_an_unknown_model_is_kept() -> None:
    assert found("x", "someone/model-9b:free") == Identity("someone/model-9b", "free", None, "own id")


@pytest.mark.parametrize("name", ["chutes/Hermes-405B", "hermes-405b"])
def test_what_a_user_declared_wins_over_every_rule(name: str) -> None:
    declared = known(REFERENCE, {name.lower(): "nousresearch/hermes-4-405b"})

    identity = identify(Native("models_dev", "chutes", "Hermes-405B"), declared)

    assert identity == Identity("nousresearch/hermes-4-405b", None, None, "alias table")


def test_a_declaration_for_one_provider_says_nothing_of_another() -> None:
    declared = known(REFERENCE, {"chutes/openai/gpt-4o": "openai/gpt-4.1"})

    assert identify(Native("models_dev", "chutes", "openai/gpt-4o"), declared).model == "openai/gpt-4.1"
    assert identify(Native("models_dev", "vercel", "openai/gpt-4o"), declared).model == "openai/gpt-4o"


def test_the_reference_names_its_own_models() -> None:
    native = Native("openrouter", "deepinfra", "Some/Model-7B:free", "meta-llama/Llama-3.1-8B-Instruct", None, "fp8")

    assert identify(native, index()) == Identity("some/model-7b", "free", "fp8", "reference id")


def test_a_hugging_face_id_of_two_models_tells_neither() -> None:
    two = known(
        (
            Native("openrouter", "openrouter", "a/chat-1", "org/Base-1"),
            Native("openrouter", "openrouter", "a/code-1", "org/Base-1"),
        )
    )

    assert identify(Native("models_dev", "x", "org/Base-1"), two).model == "org/base-1"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Author/Model:free", ("author/model", "free")),
        ("author/model:unheard-of", ("author/model:unheard-of", None)),
        ("author/model", ("author/model", None)),
        (":free", (":free", None)),
    ],
)
def test_a_variant_is_what_stands_behind_the_colon(name: str, parts: tuple[str, str | None]) -> None:
    assert split_variant(name) == parts


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Nebius Token Factory", "nebius"),
        ("Nebius", "nebius"),
        ("Chutes", "chutes"),
        ("Z.AI", "z-ai"),
        ("Google", "google-ai-studio"),
        ("DeepInfra", "deepinfra"),
        ("Fireworks", "fireworks-ai"),
        ("百度", "百度"),
    ],
)
def test_providers_have_one_spelling(name: str, slug: str) -> None:
    assert provider_slug(name) == slug


def test_the_author_stands_before_the_slash() -> None:
    assert author_of("nousresearch/hermes-4-405b") == "nousresearch"
    assert author_of("~openai/gpt-latest") == "openai"
