"""The traps of each format: what is counted twice, never, or as what it is not, unless one knows."""

import json
from decimal import Decimal
from typing import Any

import pytest

from collector.logs.jsontext import parse
from db.usage.facts import Usage
from tests.collector.logs.parsing import (
    CONTEXT,
    IN_BERLIN,
    changed,
    facts,
    fixture,
    only,
    parsed,
    reasons,
    refused,
    usages,
)


def total(usage: Usage) -> int:
    return sum(usage.quantities.values())


def chat(**usage: Any) -> str:
    body = {"id": "c1", "object": "chat.completion", "created": 1772445600, "model": "gpt-atlas", "usage": usage}
    return json.dumps(body)


@pytest.mark.parametrize(
    ("usage", "reason"),
    [
        (
            {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 11}},
            "input_cache_read (11) exceed prompt_tokens (10), which includes them",
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 2}},
            "internal_reasoning (2) exceed completion_tokens (1), which includes them",
        ),
        ({"prompt_tokens": 1.5, "completion_tokens": 1}, "prompt_tokens is not whole: '1.5'"),
        ({"completion_tokens": 1}, "its usage cannot be read: Missing value at `usage.prompt_tokens`"),
    ],
)
def test_a_chat_response_that_contradicts_itself_is_refused(usage: dict[str, Any], reason: str) -> None:
    assert refused("openai_chat", chat(**usage)) == reason


@pytest.mark.parametrize("usage", [{"prompt_tokens": True}, {"prompt_tokens": "5"}, {"prompt_tokens": -1}])
def test_a_chat_response_counts_with_numbers_only(usage: dict[str, Any]) -> None:
    assert refused("openai_chat", chat(**usage, completion_tokens=1)).startswith("its usage cannot be read: ")


def test_of_a_stream_only_the_piece_with_usage_counts() -> None:
    piece = {"id": "c1", "object": "chat.completion.chunk", "created": 1772445600, "model": "m", "usage": None}
    last = changed(piece, usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})

    assert [len(each.usage) for each in parsed("openai_chat", [piece, piece, last])] == [0, 0, 1]


def test_an_event_of_a_recorded_stream_holds_the_response() -> None:
    event = {"type": "response.completed", "response": fixture("openai_chat.jsonl")[1]}

    assert only("openai_chat", json.dumps(event)).key == "openai_chat:resp_1"


def test_a_bucket_that_is_not_over_is_refused() -> None:
    bucket = {"start_time": 1773100800, "end_time": 1773187200, "results": [{"object": "x"}]}

    assert refused("openai_usage", json.dumps(bucket)) == (
        "it is not over before 2026-03-11T00:00:00+00:00: import it again then"
    )
    assert refused("openai_usage", json.dumps({**bucket, "end_time": 5e8})).startswith("it ends at 1985-")


def test_todays_activity_is_refused_until_midnight_utc() -> None:
    (yesterday, today) = (changed(fixture("openrouter_activity.json")[0], date=f"2026-03-{day:02}") for day in (9, 10))

    assert reasons(parsed("openrouter_activity", [yesterday, today])) == [
        "it is not over before 2026-03-11T00:00:00+00:00: import it again then"
    ]
    assert usages(parsed("openrouter_activity", [yesterday], IN_BERLIN)) == usages(
        parsed("openrouter_activity", [yesterday], CONTEXT)
    )


def test_one_bad_group_does_not_cost_its_bucket() -> None:
    bucket = fixture("openai_usage.json")[0]
    bucket["results"].insert(1, {**bucket["results"][0], "input_tokens": -1, "model": "other"})
    found = parsed("openai_usage", [bucket])

    assert [(each.line, len(each.usage), each.reason) for each in found] == [
        *((1, 1, ""), (1, 0, "input_tokens is negative: '-1'"), (1, 1, ""))
    ]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("organization.costs.result", "it holds costs, not usage"),
        ("organization.usage.audio_speeches.result", "it counts audio_speeches, not tokens"),
        (None, "it counts nothing known, not tokens"),
    ],
)
def test_what_the_usage_api_counts_besides_tokens_is_refused_by_name(kind: str | None, reason: str) -> None:
    bucket = {"start_time": 1772323200, "end_time": 1772409600, "results": [{"object": kind}]}

    assert refused("openai_usage", json.dumps(bucket)) == reason


def test_groups_of_one_bucket_have_keys_of_their_own_and_the_same_ones_again() -> None:
    bucket = fixture("openai_usage.json")[0]
    group = bucket["results"][0]
    bucket["results"] = [
        changed(group),
        changed(group, batch=False),
        changed(group, model="x"),
        changed(group, output_tokens=60),
    ]
    keys = [usage.key for usage in usages(parsed("openai_usage", [bucket]))]

    assert len(set(keys)) == 3
    assert keys[0] == keys[3]


def test_anthropics_cost_report_is_in_cents_and_refused() -> None:
    result = {"amount": "123.45", "currency": "USD", "description": "Usage", "workspace_id": None}
    bucket = {"starting_at": "2026-03-01T00:00:00Z", "ending_at": "2026-03-02T00:00:00Z", "results": [result]}

    assert refused("anthropic_usage", json.dumps(bucket)) == (
        "it is of the cost report, which counts no tokens; import the usage report"
    )


def test_anthropics_buckets_stand_for_the_fewest_requests_that_fit_the_window() -> None:
    bucket = fixture("anthropic_usage.json")[0]
    group = bucket["results"][0]
    bucket["results"] = [group, changed(group, context_window="200k-1M"), changed(group, context_window=None)]

    assert [usage.requests for usage in usages(parsed("anthropic_usage", [bucket]))] == [9, 2, 9]


def test_a_generation_is_billed_on_native_counts_only() -> None:
    assert refused(
        "openrouter_generation", '{"id": "g", "tokens_prompt": 5, "created_at": "2026-03-02T10:00:00Z"}'
    ) == ("it has no native token counts")


def test_what_ones_own_key_cost_is_added_to_the_fee_or_unknown() -> None:
    own = '"is_byok": true, "usage": 0.00005, "native_tokens_prompt": 1, "created_at": "2026-03-02T10:00:00Z"'

    assert only("openrouter_generation", f'{{{own}, "upstream_inference_cost": 0.001}}').cost_usd == Decimal("0.00105")
    assert only("openrouter_generation", f'{{{own}, "upstream_inference_cost": null}}').cost_usd is None
    assert only("openrouter_generation", "{" + own.replace("true", "false") + "}").cost_usd == Decimal("0.00005")


def test_a_cost_keeps_every_decimal_of_the_text() -> None:
    cost = "0.00000008333333333333334"
    text = f'{{"native_tokens_prompt": 1, "created_at": "2026-03-02T10:00:00Z", "usage": {cost}}}'

    assert str(only("openrouter_generation", text).cost_usd) == "8.333333333333334E-8"


def test_what_a_cache_of_ones_own_answered_is_no_ones_bill() -> None:
    hit = fixture("litellm.jsonl")[1]
    (usage,) = usages(parsed("litellm", [hit]))

    assert not usage.quantities
    assert (usage.total_tokens, usage.cost_usd) == (150, Decimal(0))


def test_a_spend_log_in_csv_says_the_same_as_in_json() -> None:
    (record, _) = fixture("litellm.jsonl")
    row = {name: json.dumps(value) if isinstance(value, dict | list) else str(value) for name, value in record.items()}

    assert [facts(usage) for usage in usages(parsed("litellm", [row]))] == [
        facts(usage) for usage in usages(parsed("litellm", [record]))
    ]


def langfuse(**details: int) -> str:
    record = {
        "id": "o",
        "traceId": "t",
        "type": "GENERATION",
        "startTime": "2026-03-02T10:00:00Z",
        "usageDetails": details,
    }
    return json.dumps(record)


@pytest.mark.parametrize(
    ("details", "meters"),
    [
        ({"input": 5, "output": 3}, {"prompt": 5, "completion": 3}),
        ({"input": 5, "cache_read_input_tokens": 7}, {"prompt": 5, "input_cache_read": 7, "completion": 0}),
        (
            {"input": 5, "input_cached_tokens": 3, "output": 4, "output_reasoning_tokens": 1, "total": 13},
            {"prompt": 5, "input_cache_read": 3, "completion": 4, "internal_reasoning": 1},
        ),
        (
            {"input": 5, "input_cached_tokens": 3, "output": 4, "output_reasoning_tokens": 1, "total": 9},
            {"prompt": 2, "input_cache_read": 3, "completion": 3, "internal_reasoning": 1},
        ),
        (
            {"input": 5, "input_cached_tokens": 3, "output": 4, "output_reasoning_tokens": 1, "total": 12},
            {"prompt": 5, "input_cache_read": 3, "completion": 3, "internal_reasoning": 1},
        ),
        (
            {"input": 1, "input_cache_creation": 2, "input_cache_creation_1h": 4, "input_audio_tokens": 8, "total": 15},
            {"prompt": 1, "input_cache_write": 2, "input_cache_write_1h": 4, "audio": 8, "completion": 0},
        ),
        (
            {"prompt_tokens": 5, "input": 5, "completion_tokens": 3, "input_text_tokens": 5, "total": 8},
            {"prompt": 5, "completion": 3},
        ),
    ],
)
def test_langfuses_free_names_become_disjoint_meters(details: dict[str, int], meters: dict[str, int]) -> None:
    assert dict(only("langfuse", langfuse(**details)).quantities) == meters


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"input": 5, "output": 3, "total": 9}, "its counters do not add up to their total (9)"),
        ({"input": 5, "seconds": 3}, "its usage counts 'seconds', which is neither input nor output"),
        ({"input": 5, "total": 5, "total_tokens": 6}, "it has several totals: 5 and 6"),
        ({"input": -5}, "usage 'input' is negative: '-5'"),
        ({}, "it has no token counts"),
    ],
)
def test_langfuses_names_that_cannot_be_resolved_are_refused(details: dict[str, int], reason: str) -> None:
    assert refused("langfuse", langfuse(**details)) == reason


def test_an_agents_span_that_sums_up_its_children_is_left_out() -> None:
    found = parsed("otel_genai", fixture("otel_genai.json"))

    assert [len(each.usage) for each in found] == [1, 1, 0]


def test_one_call_traced_by_a_framework_and_by_the_library_below_is_one() -> None:
    batch = fixture("otel_genai.json")[0]
    spans = batch["scopeSpans"][0]["spans"]
    spans[1:] = [changed(spans[0], spanId="aaaaaaaaaaaaaaaa"), changed(spans[0], traceId="b" * 32)]
    keys = [usage.key for usage in usages(parsed("otel_genai", [batch]))]

    assert keys[0] == keys[1] != keys[2]


def test_a_span_without_operation_counts_only_if_it_is_a_request() -> None:
    batch = fixture("otel_genai.json")[0]
    span = batch["scopeSpans"][0]["spans"][1]
    bare = [each for each in span["attributes"] if each["key"] != "llm.request.type"]
    batch["scopeSpans"][0]["spans"] = [
        changed(span, kind=1),
        changed(span, attributes=bare),
        changed(span, attributes=bare, kind=1),
        changed(span, attributes=[*bare, {"key": "llm.request.type", "value": {"stringValue": "rerank"}}]),
    ]

    assert [len(each.usage) for each in parsed("otel_genai", [batch])] == [1, 1, 0, 0]


def test_a_main_chain_copy_outranks_a_larger_sidechain_and_then_the_largest_counts() -> None:
    early, final, side = usages(parsed("claude_code", fixture("claude_code.jsonl")))

    assert early.key == final.key == side.key
    assert final.rank > early.rank > side.rank
    assert total(side) > total(early)


def test_a_gateway_without_request_ids_is_deduplicated_by_message() -> None:
    line = fixture("claude_code.jsonl")[2]

    assert usages(parsed("claude_code", [changed(line, requestId=None)]))[0].key == "claude_code:msg_1"


def test_cache_writes_without_a_breakdown_are_of_five_minutes() -> None:
    line = fixture("claude_code.jsonl")[2]
    line["message"]["usage"]["cache_creation"] = None

    assert usages(parsed("claude_code", [line]))[0].quantities["input_cache_write"] == 3000


def test_more_hourly_writes_than_writes_are_refused() -> None:
    line = fixture("claude_code.jsonl")[2]
    line["message"]["usage"]["cache_creation_input_tokens"] = 1999

    assert reasons(parsed("claude_code", [line])) == [
        "input_cache_write_1h (2000) exceed cache_creation_input_tokens (1999), which includes them"
    ]


def test_a_forked_session_repeats_its_parents_keys_with_a_lower_rank() -> None:
    parent = fixture("codex.jsonl")
    meta = changed(parent[0])
    meta["payload"] |= {"id": "child", "forked_from_id": parent[0]["payload"]["id"]}
    copies = [changed(line, timestamp="2026-03-05T09:00:00.000Z") for line in parent[1:]]
    own = changed(copies[-1], timestamp="2026-03-05T09:10:00.000Z")
    own["payload"]["info"] = json.loads(
        json.dumps(own["payload"]["info"]).replace('"input_tokens": 2500', '"input_tokens": 4000')
    )
    originals = usages(parsed("codex", parent))
    for start in ([meta], [meta, parent[0]]):
        forked = usages(parsed("codex", [*start, *copies, own]))
        assert [usage.key for usage in forked[:2]] == [usage.key for usage in originals]
        assert forked[2].key not in {usage.key for usage in originals}
        assert [usage.rank for usage in (*originals, *forked)] == [1, 1, 0, 0, 0]


def test_two_sessions_that_begin_alike_are_two() -> None:
    session = fixture("codex.jsonl")[:4]
    other = [changed(session[0]), *session[1:]]
    other[0]["payload"]["id"] = "another"

    assert usages(parsed("codex", session))[0].key != usages(parsed("codex", other))[0].key


def test_an_event_again_is_counted_once_and_is_no_row() -> None:
    found = parsed("codex", fixture("codex.jsonl"))

    assert [len(each.usage) for each in found] == [0, 0, 0, 1, 0, 0, 1]
    assert reasons(found) == []


def test_a_running_total_alone_is_no_usage() -> None:
    event = fixture("codex.jsonl")[3]
    del event["payload"]["info"]["last_token_usage"]

    assert reasons(parsed("codex", [event])) == ["it has a running total only, and no step"]


def test_a_time_without_zone_is_refused_unless_the_format_says_utc() -> None:
    litellm = changed(fixture("litellm.jsonl")[0], startTime="2026-03-02 12:00:00.123")

    assert reasons(parsed("litellm", [litellm])) == [
        "startTime has no time zone: '2026-03-02 12:00:00.123'; --timezone names it"
    ]
    assert usages(parsed("litellm", [litellm], IN_BERLIN))[0].at.hour == 11


def test_json_is_parsed_without_floats() -> None:
    assert parse("[0.1, 1e-9, 5.0]") == [Decimal("0.1"), Decimal("1e-9"), Decimal("5.0")]
