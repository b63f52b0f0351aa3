"""What is watched, and when it is due."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from structlog.testing import capture_logs

from collector.jobs.watching import (
    TICK,
    due,
    due_at,
    from_settings,
    next_due,
    resolve,
    server_target,
    watch_from_settings,
)
from collector.settings import Collecting
from db.engine import reading
from db.errors import UsageError
from db.probes import read
from db.probes.facts import Prompt, Target
from db.settings import load
from tests.collector.jobs.billing import TAG, offer, priced

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EVERY = st.sampled_from([1, 5, 10, 60, 1440]).map(lambda minutes: minutes * MINUTE)
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def target(name: str = "home", every: timedelta = 10 * MINUTE) -> Target:
    return Target(name, "reach", "http://127.0.0.1:1/v1", every=every)


def began(every: timedelta, now: datetime) -> datetime:
    """When the interval that `now` lies in began."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return now - (now - epoch) % every


@given(st.text(min_size=1, max_size=20), EVERY, INSTANTS, st.floats(0, 1, exclude_max=True))
def test_each_interval_has_one_moment(name: str, every: timedelta, now: datetime, share: float) -> None:
    of = target(name, every)
    start = began(every, now)

    moment = due_at(of, now)

    # Early enough that the schedule looks at least once more before the interval ends.
    assert start <= moment <= start + every - TICK
    assert due_at(of, start + share * (every - timedelta(microseconds=1))) == moment
    assert due_at(of, start + every) > moment
    assert next_due(of, now) > now


def test_moments_are_spread_over_the_interval_and_differ_from_one_to_the_next() -> None:
    length = 10 * MINUTE
    of_targets = [(due_at(target(f"target-{n}"), NOON) - NOON) / (length - TICK) for n in range(1000)]
    of_intervals = [due_at(target(), NOON + n * length) - n * length for n in range(1000)]

    for tenth in range(10):
        assert 60 < sum(tenth / 10 <= share < (tenth + 1) / 10 for share in of_targets) < 140
    assert len(set(of_intervals)) > 990


@given(EVERY, INSTANTS, st.lists(st.integers(0, 3), max_size=8))
def test_a_schedule_probes_once_in_each_interval_however_often_it_restarts(
    every: timedelta, start: datetime, restarts: list[int]
) -> None:
    """A restart forgets all but what is stored; here it also costs some ticks."""
    of = target(every=every)
    tick = max(TICK, every / 40)
    now, probed = began(every, start), []
    last: dict[str, datetime] = {}
    lost = iter(restarts)
    while now < began(every, start) + 4 * every:
        if due([of], last, now):
            last = {of.name: now}
            probed.append(now)
        now += tick * (1 + next(lost, 0))

    intervals = [began(every, at) for at in probed]
    assert len(set(intervals)) == len(intervals)
    assert all(at >= due_at(of, at) for at in probed)


@given(EVERY, INSTANTS)
def test_a_schedule_that_looks_every_tick_misses_no_interval(every: timedelta, start: datetime) -> None:
    of = target(every=every)
    # The ticks around the moment are all that matters; before it nothing is due.
    moment = due_at(of, start)
    seen = began(TICK, moment) + TICK if began(TICK, moment) < moment else moment

    assert due([of], {}, seen) == [of]
    assert due([of], {of.name: seen - every}, seen) == [of]
    assert due([of], {of.name: seen}, seen) == []
    assert due([of], {}, moment - timedelta(microseconds=1)) == []
    assert began(every, seen) == began(every, moment)


# Which targets a name means


def names(engine: Engine, *wanted: str) -> list[str]:
    with reading(engine) as connection:
        return [each.name for each in resolve(connection, wanted, Collecting())]


def refusal(engine: Engine, name: str) -> str:
    with pytest.raises(UsageError) as refused:
        names(engine, name)
    return str(refused.value)


def test_a_name_is_an_endpoint_or_all_endpoints_of_a_model(sqlite: Engine) -> None:
    listed = [offer("acme/atlas", tag=tag) for tag in (TAG, "chutes", None)]
    priced(sqlite, *listed, offer("acme/beacon", tag=None))

    assert names(sqlite, "acme/atlas") == [f"openrouter:acme/atlas@{TAG}", "openrouter:acme/atlas@chutes"]
    assert names(sqlite, "openrouter:acme/atlas@chutes") == ["openrouter:acme/atlas@chutes"]
    assert names(sqlite, "openrouter:acme/atlas") == ["openrouter:acme/atlas"]
    # Nothing is known of who is behind it: OpenRouter chooses.
    assert names(sqlite, "acme/beacon") == ["openrouter:acme/beacon"]


def test_an_endpoint_is_pinned_and_a_headline_is_not(sqlite: Engine) -> None:
    priced(sqlite, offer("acme/atlas"), offer("acme/beacon", tag=None))

    with reading(sqlite) as connection:
        pinned, free = resolve(connection, ["acme/atlas", "acme/beacon"], Collecting())

    assert (pinned.model, pinned.tag, pinned.key_variable) == ("acme/atlas", TAG, "OPENROUTER_API_KEY")
    assert (free.model, free.tag, free.url) == ("acme/beacon", None, "https://openrouter.ai/api/v1")


def test_an_endpoint_that_is_gone_is_no_longer_one_of_its_model(sqlite: Engine) -> None:
    both = [offer("acme/atlas", tag=tag) for tag in (TAG, "chutes")]
    for day in range(3):
        priced(sqlite, *(both if day == 0 else both[:1]), at=NOON + timedelta(days=day))

    assert names(sqlite, "acme/atlas") == [f"openrouter:acme/atlas@{TAG}"]


def test_a_name_that_means_nothing_gets_one_sentence(sqlite: Engine) -> None:
    priced(sqlite, offer("acme/atlas"))

    assert refusal(sqlite, "acme/none") == (
        "acme/none is neither an endpoint, a model at OpenRouter nor a watched target. "
        "`ratecard model ID` lists a model's endpoints."
    )


def test_an_endpoint_of_another_source_gets_one_sentence(sqlite: Engine) -> None:
    priced(sqlite, offer("acme/atlas"), source="models_dev")

    assert refusal(sqlite, f"models_dev:acme/atlas@{TAG}") == (
        f"models_dev:acme/atlas@{TAG} is not an endpoint of OpenRouter, so there is nowhere to send a probe. "
        "Name an OpenRouter endpoint, or an OpenAI-compatible server with --url."
    )
    assert "is neither an endpoint" in refusal(sqlite, "acme/atlas")


# Servers of one's own


@pytest.mark.parametrize(
    ("url", "model", "key", "why"),
    [
        ("127.0.0.1:8000", "llama", None, "The address of the server home is none"),
        ("ftp://127.0.0.1/v1", "llama", None, "The address of the server home is none"),
        ("http://[::1/v1", "llama", None, "The address of the server home is none"),
        ("http://127.0.0.1/v1?key=secret-word", "llama", None, "The address of the server home is none"),
        ("http://me:secret-word@127.0.0.1/v1", "llama", None, "holds a user or a key"),
        ("http://me:secret-word@[::1/v1", "llama", None, "holds a user or a key"),
        ("http://127.0.0.1/v1", "llama", "sk-secret-word", "Name the variable, never the key."),
        ("http://127.0.0.1/v1", None, None, "needs the name of a model"),
    ],
)
def test_a_server_that_could_never_be_probed_is_refused(url: str, model: str | None, key: str | None, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        server_target("home", url, model, key)

    assert why in str(refused.value)
    assert "secret-word" not in str(refused.value)


def test_a_server_that_is_only_reached_for_needs_no_model() -> None:
    assert server_target("home", "http://127.0.0.1/v1", None, None, prober="reach").model is None


# ratecard.toml

WATCHED = f"""
[[watch]]
endpoint = "openrouter:acme/atlas@{TAG}"
every_minutes = 5
prompts = ["short", "long"]

[[watch]]
endpoint = "acme/none"

[[watch]]
url = "http://me:secret-word@127.0.0.1:8000/v1"
model = "llama"

[[watch]]
every_minutes = 5

[[watch]]
name = "home"
url = "http://127.0.0.1:8000/v1"
model = "llama"
key = "HOME_KEY"
prober = "reach"
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Collecting:
    file = tmp_path / "ratecard.toml"
    file.write_text(WATCHED, encoding="utf-8")
    monkeypatch.setenv("RATECARD_CONFIG", str(file))
    return load(Collecting)


def test_what_ratecard_toml_names_is_watched_and_a_bad_entry_costs_nothing_else(
    sqlite: Engine, written: Collecting
) -> None:
    priced(sqlite, offer("acme/atlas"))

    with capture_logs() as logs:
        refused = watch_from_settings(sqlite, written)

    with reading(sqlite) as connection:
        home, atlas = read.targets(connection, watched=True)
    assert (home.name, home.url, home.prober) == ("home", "http://127.0.0.1:8000/v1", "reach")
    assert (home.key_variable, home.every, home.prompts) == ("HOME_KEY", 10 * MINUTE, (Prompt.SHORT,))
    assert atlas.name == f"openrouter:acme/atlas@{TAG}"
    assert (atlas.every, atlas.prompts) == (5 * MINUTE, (Prompt.SHORT, Prompt.LONG))
    assert [line["event"] for line in logs] == ["not watched"] * 3
    assert [line["entry"] for line in logs] == ["acme/none", "llama", None]
    assert [line["error"].split(".")[0] for line in logs] == [
        "acme/none is neither an endpoint, a model at OpenRouter nor a watched target",
        "The address of the server holds a user or a key",
        "An entry of [[watch]] names either an endpoint or model, or the url of a server",
    ]
    assert "secret-word" not in str(logs)
    assert refused == written.watch[1:4]


def test_what_is_not_known_yet_is_watched_once_it_is(sqlite: Engine, written: Collecting) -> None:
    refused = watch_from_settings(sqlite, written)
    assert len(refused) == 4

    priced(sqlite, offer("acme/atlas"), offer("acme/none"))
    refused = watch_from_settings(sqlite, written, refused)

    with reading(sqlite) as connection:
        watched = [each.name for each in read.targets(connection, watched=True)]
    assert watched == ["home", f"openrouter:acme/atlas@{TAG}", f"openrouter:acme/none@{TAG}"]
    assert len(refused) == 2


def test_an_entry_that_is_no_entry_stops_the_start_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ratecard.toml"
    file.write_text('[[watch]]\nendpoint = "acme/atlas"\nevery_minutes = 0\n', encoding="utf-8")
    monkeypatch.setenv("RATECARD_CONFIG", str(file))

    with pytest.raises(UsageError, match=r"The setting watch\.0\.every_minutes .*greater than or equal to 1"):
        load(Collecting)


def test_the_same_entry_again_is_the_same_target(sqlite: Engine, written: Collecting) -> None:
    priced(sqlite, offer("acme/atlas"))

    with reading(sqlite) as connection:
        first, again = (from_settings(connection, written.watch[:1], written) for _ in range(2))

    assert first == again
