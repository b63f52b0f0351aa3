"""OpenRouter's record of one generation (`GET /generation`), alone or in its `data` envelope.

It counts tokens twice: `tokens_*` by one tokenizer for all models, `native_tokens_*` by the model's own. The native
ones are billed. They include cached, reasoning and image tokens. `usage` is what OpenRouter took, in USD, with
`cache_discount` applied. With a user's own key (`is_byok`) that is only its fee, and the provider's own bill
(`upstream_inference_cost`) is added.
"""

from datetime import UTC
from decimal import Decimal

from collector.logs.base import Context, Format, Record, RefusedError
from collector.logs.fields import added, any_given, count, first, instant, mostly, obj, one_by_one, split, usd
from collector.logs.names import identity, name, tags, variant
from db.meters import COMPLETION, PROMPT
from db.usage.facts import NO_TAGS, Usage

NAME = "openrouter_generation"


def _read(record: Record, context: Context) -> Usage | None:
    item = obj(record.get("data")) or record
    if not any_given(item, "native_tokens_prompt", "native_tokens_completion"):
        raise RefusedError("it has no native token counts")
    read = {"input_cache_read": count(item.get("native_tokens_cached"), "native_tokens_cached")}
    made = {
        "internal_reasoning": count(item.get("native_tokens_reasoning"), "native_tokens_reasoning"),
        "image_output": count(item.get("native_tokens_completion_images"), "native_tokens_completion_images"),
    }
    prompt = count(item.get("native_tokens_prompt"), "native_tokens_prompt")
    completion = count(item.get("native_tokens_completion"), "native_tokens_completion")
    return Usage(
        at=instant(item.get("created_at"), context, "created_at", implied=UTC),
        quantities={
            **split(prompt, "native_tokens_prompt", PROMPT, read),
            **split(completion, "native_tokens_completion", COMPLETION, made),
        },
        model=name(item.get("model")),
        provider=name(item.get("provider_name")) or "openrouter",
        variant=variant(item.get("service_tier")),
        user=name(item.get("external_user")),
        tags=tags([("byok", True)]) if _is_byok(item) else NO_TAGS,
        cost_usd=_cost(item),
        key=identity(NAME, item.get("id")),
    )


def _is_byok(item: Record) -> bool:
    return item.get("is_byok") in (True, "true", "True")


def _cost(item: Record) -> Decimal | None:
    taken = usd(first(item, "usage", "total_cost"), "usage")
    if not _is_byok(item):
        return taken
    upstream = usd(item.get("upstream_inference_cost"), "upstream_inference_cost")
    return added(taken, upstream) if upstream is not None else None


def _looks(record: Record) -> bool:
    return (obj(record.get("data")) or record).keys() >= {"id", "native_tokens_prompt", "created_at"}


FORMAT = Format(NAME, "OpenRouter generation", "id", mostly(_looks), one_by_one(_read))
