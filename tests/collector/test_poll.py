"""Whole polls: from a real server, through the source, into a real database."""

import json
from collections.abc import Iterator
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
import structlog

from db.engine import migrate, open_engine, reading
from db.polls import read as polls_read
from db.polls.facts import Status
from db.prices import read as prices
from db.prices.changes import changes
from tests.collector.bodies import Json, endpoint, endpoints, market, model
from tests.collector.lab import Lab, at, names
from tests.collector.sources import package
from tests.support.upstream import Reply, Upstream, as_json, redirect

MODELS = "/api/v1/models"
KEY = "sk-or-v1-" + "5ec2e7" * 8
MANY = 300


@pytest.fixture
def lab(database_url: str, upstream: Upstream) -> Iterator[Lab]:
    engine = open_engine(database_url)
    migrate(engine)
    yield Lab(engine, upstream)
    engine.dispose()


def test_a_first_poll_stores_what_is_there(lab: Lab) -> None:
    lab.upstream.answer_all(market([model("acme/atlas-1", "0.00000008333333333333334"), model("acme/beacon", "-1")]))

    stored = lab.poll(0)

    assert (stored.status, stored.items, stored.rejected) == (Status.OK, 2, 0)
    assert stored.parts == ("models", "endpoints")
    assert stored.observed_at == stored.recorded_at == at(0)
    assert lab.in_force(0) == {
        "acme/atlas-1": Decimal("0.00000008333333333333334"),
        "acme/atlas-1@nebius/fp8": Decimal("0.00000008333333333333334"),
        "acme/beacon": None,
        "acme/beacon@nebius/fp8": None,
    }
    assert lab.events() == []


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_the_same_again_adds_a_poll_and_nothing_else(lab: Lab, restarted: bool) -> None:
    measured: dict[str, Any] = {"uptime_last_1d": 99.5, "latency_last_30m": {"p50": 400, "p99": 900}}
    bodies = market([model(name, benchmarks={"index": 41.5}) for name in names(12)])
    bodies[f"{MODELS}/acme/model-000/endpoints"] = endpoints("acme/model-000", [endpoint("chutes", **measured)])
    lab.upstream.answer_all(bodies)
    lab.poll(0)
    before = lab.dump()
    if restarted:
        lab.restart()

    stored = lab.poll(1)

    after = lab.dump()
    assert stored.changed == 0
    assert len(after.pop("poll")) == len(before.pop("poll")) + 1
    assert after == before
    assert before["reported"] != []


def test_what_did_not_change_is_not_sent_again(lab: Lab) -> None:
    lab.upstream.answer_all(market([model(name) for name in names(3)]))
    lab.poll(0)
    asked = len(lab.upstream.requests)

    lab.poll(1)

    again = lab.upstream.requests[asked:]
    assert len(again) == asked == 4
    assert all("If-None-Match" in request.headers for request in again)


def test_a_price_change_ends_one_version_and_begins_the_next(lab: Lab) -> None:
    lab.upstream.answer_all(market([model("acme/atlas-1", "0.000001"), model("acme/beacon")]))
    lab.poll(0)
    lab.upstream.answer_all(market([model("acme/atlas-1", "0.0000008"), model("acme/beacon")]))

    stored = lab.poll(1)

    assert stored.status == Status.OK
    assert stored.changed > 0
    for key in ("acme/atlas-1", "acme/atlas-1@nebius/fp8"):
        assert lab.intervals(key) == [
            (Decimal("0.000001"), at(0), at(1)),
            (Decimal("0.0000008"), at(1), None),
        ]
    assert lab.intervals("acme/beacon") == [(Decimal("0.000001"), at(0), None)]
    with reading(lab.engine) as connection:
        moves = changes(prices.history(connection))
        known_before = prices.in_force_at(connection, "acme/atlas-1", known_at=at(0))
    assert [(move.at, move.meter, move.old, move.new) for move in moves] == [
        (at(1), "prompt", Decimal("0.000001"), Decimal("0.0000008"))
    ] * 2
    assert {rate.usd for price in known_before for rate in price.rates if rate.meter == "prompt"} == {
        Decimal("0.000001")
    }


def test_one_models_missing_endpoints_are_unknown_and_remove_nothing(lab: Lab) -> None:
    bodies = market([model(name) for name in names(3)])
    lab.upstream.answer_all(bodies)
    lab.poll(0)
    before = lab.in_force(0)
    lab.upstream.answer(f"{MODELS}/acme/model-001/endpoints", Reply(status=404))

    polls = [lab.poll(hour) for hour in (1, 2, 3)]

    assert {each.status for each in polls} == {Status.PARTIAL}
    assert {each.rejected for each in polls} == {1}
    assert lab.in_force(3) == before
    assert lab.events() == []
    assert lab.count()["absence"] == 0
    with reading(lab.engine) as connection:
        told = polls_read.rejections(connection, [each.id for each in polls if each.id])
    assert {(r.part, r.item, r.reason) for of_poll in told.values() for r in of_poll} == {
        (
            "endpoints",
            "acme/model-001@",
            "127.0.0.1/api/v1/models/acme/model-001/endpoints answered 404: there is nothing at this address.",
        )
    }


def test_failing_endpoints_of_all_models_leave_the_list_of_models(lab: Lab) -> None:
    lab.upstream.answer_all(market([model("acme/atlas-1", "0.000001"), model("acme/beacon")]))
    lab.poll(0)
    lab.upstream.answer_all({MODELS: {"data": [model("acme/atlas-1", "0.000002"), model("acme/beacon")]}})

    polls = [lab.poll(hour) for hour in (1, 2)]

    assert {(each.status, each.parts) for each in polls} == {(Status.PARTIAL, ("models",))}
    assert lab.in_force(2) == {
        "acme/atlas-1": Decimal("0.000002"),
        "acme/atlas-1@nebius/fp8": Decimal("0.000001"),
        "acme/beacon": Decimal("0.000001"),
        "acme/beacon@nebius/fp8": Decimal("0.000001"),
    }


FAILURES: dict[str, tuple[Reply, str]] = {
    "HTML": (
        Reply(b"<!doctype html><h1>Busy</h1>"),
        "OpenRouter's list of models is not usable: it is HTML, not JSON.",
    ),
    "empty": (Reply(b""), "OpenRouter's list of models is not usable: it is empty."),
    "another document": (as_json({"error": {}}), "OpenRouter's list of models is not usable: it holds no list named"),
    "half a document": (Reply(b'{"data": [{"id": "a'), "OpenRouter's list of models is not usable: it is not JSON ("),
    "nested": (Reply(b"[" * 90_000), "OpenRouter's list of models is not usable: it is nested too deeply."),
    "truncated": (Reply(b'{"data": []}', behaviour="truncated"), "127.0.0.1/api/v1/models broke off: peer closed"),
    "200 MB": (Reply(behaviour="endless"), "127.0.0.1/api/v1/models sent more than 0.954 MB; nothing was kept."),
    "broken": (Reply(behaviour="reset"), "127.0.0.1/api/v1/models broke off: "),
    "not found": (Reply(status=404), "127.0.0.1/api/v1/models answered 404: there is nothing at this address."),
    "not allowed": (Reply(status=401), "127.0.0.1/api/v1/models answered 401: the key was refused."),
    "down": (Reply(status=503), "127.0.0.1/api/v1/models answered 503: Service Unavailable."),
    "moved in a circle": (redirect(MODELS), "127.0.0.1/api/v1/models is no address to get anything from: "),
}


@pytest.mark.parametrize(("reply", "sentence"), FAILURES.values(), ids=FAILURES)
def test_a_failed_poll_is_a_row_with_its_sentence_and_nothing_else(lab: Lab, reply: Reply, sentence: str) -> None:
    lab.upstream.answer_all(market([model("acme/atlas-1"), model("acme/beacon")]))
    lab.poll(0)
    before = lab.dump()
    lab.upstream.answer(MODELS, reply)

    failed = lab.poll(1)

    after = lab.dump()
    assert failed.status == Status.FAILED
    assert (failed.error or "").startswith(sentence)
    with reading(lab.engine) as connection:
        newest = polls_read.recent(connection, limit=1)[0]
    assert (newest.status, newest.error, newest.observed_at) == (Status.FAILED, failed.error, at(1))
    assert len(after.pop("poll")) == len(before.pop("poll")) + 1
    assert after == before


def test_a_failed_poll_keeps_until_when_the_source_wants_to_be_left_alone(lab: Lab) -> None:
    lab.upstream.answer(MODELS, Reply(status=429, headers={"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}))

    failed = lab.poll(0)

    assert failed.status == Status.FAILED
    assert failed.retry_at is not None
    assert len(lab.upstream.requests) == 1


def test_after_failed_polls_everything_goes_on(lab: Lab) -> None:
    lab.upstream.answer_all(market([model("acme/atlas-1"), model("acme/beacon")]))
    lab.poll(0)
    lab.upstream.answer(MODELS, Reply(status=503))
    lab.poll(1)
    lab.poll(2)
    lab.upstream.answer_all(market([model("acme/atlas-1", "0.000002"), model("acme/beacon")]))

    assert lab.poll(3).status == Status.OK
    assert lab.intervals("acme/atlas-1") == [(Decimal("0.000001"), at(0), at(3)), (Decimal("0.000002"), at(3), None)]


def test_a_poll_of_three_models_after_one_of_three_hundred_is_implausible_and_removes_nothing(lab: Lab) -> None:
    lab.upstream.answer_all(market([model(name) for name in names(MANY)]))
    first = lab.poll(0)
    lab.upstream.answer_all(market([model(name, "0.000003") for name in names(3)]))

    short = [lab.poll(hour) for hour in (1, 2, 3)]

    assert (first.status, first.items) == (Status.OK, MANY)
    assert {(each.status, each.items) for each in short} == {(Status.IMPLAUSIBLE, 3)}
    assert len(lab.in_force(3)) == 2 * MANY
    assert lab.count()["absence"] == 0
    # What it did see is believed.
    assert lab.in_force(3)["acme/model-000"] == Decimal("0.000003")


def test_absence_from_two_complete_polls_ends_a_version_at_the_first_of_them(lab: Lab) -> None:
    both, one = (market([model(name) for name in names(count)]) for count in (3, 2))
    lab.upstream.answer_all(both)
    lab.poll(0)
    lab.upstream.answer_all(one)

    lab.poll(1)
    after_one = lab.in_force(1)
    lab.poll(2)

    assert "acme/model-002" in after_one
    assert "acme/model-002" not in lab.in_force(1)
    assert "acme/model-002" not in lab.in_force(2)
    for key in ("acme/model-002", "acme/model-002@nebius/fp8"):
        assert lab.intervals(key) == [(Decimal("0.000001"), at(0), at(1))]
        assert (at(1), key, "removed") in lab.events()


def test_a_single_absence_is_a_blip(lab: Lab) -> None:
    both, one = (market([model(name) for name in names(count)]) for count in (3, 2))
    for hour, bodies in enumerate([both, one, both, one, both]):
        lab.upstream.answer_all(bodies)
        lab.poll(hour)

    assert lab.intervals("acme/model-002") == [(Decimal("0.000001"), at(0), None)]
    assert lab.events() == []


def test_a_failed_poll_between_two_absences_does_not_hide_them(lab: Lab) -> None:
    lab.upstream.answer_all(market([model(name) for name in names(3)]))
    lab.poll(0)
    lab.upstream.answer_all(market([model(name) for name in names(2)]))
    lab.poll(1)
    lab.upstream.answer(MODELS, Reply(status=503))
    lab.poll(2)
    lab.restart()
    lab.upstream.answer_all(market([model(name) for name in names(2)]))
    lab.poll(3)

    assert lab.intervals("acme/model-002") == [(Decimal("0.000001"), at(0), at(1))]


def test_what_returns_is_the_same_endpoint(lab: Lab) -> None:
    both, one = (market([model(name) for name in names(count)]) for count in (3, 2))
    for hour, bodies in enumerate([both, one, one, both]):
        lab.upstream.answer_all(bodies)
        lab.poll(hour)

    assert lab.intervals("acme/model-002") == [(Decimal("0.000001"), at(0), at(1)), (Decimal("0.000001"), at(3), None)]
    assert [(when, kind) for when, key, kind in lab.events() if key == "acme/model-002"] == [
        (at(1), "removed"),
        (at(3), "returned"),
    ]
    assert lab.count()["endpoint"] == 6


def test_at_most_so_many_requests_are_open_at_once(lab: Lab) -> None:
    lab.at_once = 4
    lab.upstream.answer_all(market([model(name) for name in names(40)]))
    # Each waits until four are there, so no fewer are open either.
    lab.upstream.together = Barrier(4)
    lab.upstream.held = lambda path: path.endswith("/endpoints")

    assert lab.poll(0).status == Status.OK
    assert len(lab.upstream.requests) == 41
    assert lab.upstream.most_at_once == 4


def test_hostile_items_reach_no_table_and_cost_no_other(lab: Lab) -> None:
    hostile: list[Any] = [
        None,
        [],
        "acme/atlas-1",
        model(""),
        model("x" * 10_000),
        model("acme/nul\x00"),
        model("acme/broke", "NaN"),
        model("acme/deep", extra_field=json.loads("[" * 200 + "]" * 200)),
        model("acme/odd", name="\ud800\x00", description="x" * 100_000, context_length=10**30),
        model("acme/tier", pricing=_tiered(10**15)),
    ]
    lab.upstream.answer_all(market([model("acme/beacon")]))
    lab.upstream.answer(MODELS, as_json({"data": [model("acme/beacon"), *hostile]}))

    stored = lab.poll(0)

    assert stored.status == Status.PARTIAL
    assert set(lab.in_force(0)) == {"acme/beacon", "acme/beacon@nebius/fp8", "acme/deep", "acme/odd"}


def _tiered(threshold: int) -> Json:
    both = {"prompt": "0.000001", "completion": "0.000002"}
    return {**both, "overrides": [{"min_prompt_tokens": threshold, **both}]}


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_other_sources_are_polled_the_same_way(lab: Lab, monkeypatch: pytest.MonkeyPatch, restarted: bool) -> None:
    monkeypatch.setattr("genai_prices.data.providers", package.providers())
    cost = {"input": 1.0, "output": 3.0, "tiers": [{"input": 2, "output": 6, "tier": {"size": 200_000}}]}
    lab.upstream.answer_all({"/api.json": {"nebius": {"name": "Nebius", "models": {"acme/atlas-1": {"cost": cost}}}}})
    for source, count in [("models_dev", 1), ("genai_prices", 3)]:
        lab.source = source
        lab.restart()
        first = lab.poll(0)
        if restarted:
            lab.restart()
        again = lab.poll(1)

        assert (first.status, first.changed > 0, again.status, again.changed) == (Status.OK, True, Status.OK, 0)
        with reading(lab.engine) as connection:
            assert len(prices.in_force_at(connection, source=source)) == count


def test_the_key_is_in_no_table_and_in_no_log(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    lab.upstream.answer_all(market([model("acme/atlas-1"), model("acme/beacon")]))
    with structlog.testing.capture_logs() as logs:
        lab.poll(0)
        lab.upstream.answer(f"{MODELS}/acme/beacon/endpoints", Reply(status=500))
        lab.poll(1)
        for hour, (reply, _) in enumerate(FAILURES.values(), 2):
            lab.upstream.answer(MODELS, reply)
            lab.poll(hour)

    assert {request.headers["Authorization"] for request in lab.upstream.requests} == {f"Bearer {KEY}"}
    assert logs != []
    everything = "\n".join([str(lab.dump()), str(logs), repr(lab.desk), *capfd.readouterr()])
    assert "acme/atlas-1" in everything
    assert KEY[9:] not in everything
