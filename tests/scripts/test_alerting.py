"""`ratecard alerts`, against real receivers, and what it never says."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from db.engine import migrate, open_engine, writing
from db.polls import store as polls
from db.polls.facts import Poll, Status
from tests.scripts.conftest import Verb, environment, run_program
from tests.scripts.test_collect import collecting
from tests.support.outcome import eventually
from tests.support.receivers import Hook, running_hook, running_mail_server
from tests.support.upstream import Upstream

PLANTED = "planted-0123456789"
ONE_CHANNEL = '[alerts.channels]\noncall = "ONCALL_URL"\n'


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with running_hook() as running:
        monkeypatch.setenv("ONCALL_URL", running.url(PLANTED))
        yield running


@pytest.fixture(autouse=True)
def one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_SOURCES", '["openrouter"]')


@pytest.fixture
def stale(isolated_environment: Path) -> Path:
    """A database whose only source was last seen a week ago."""
    file = isolated_environment / "ratecard.db"
    engine = open_engine(f"sqlite:///{file}")
    migrate(engine)
    at = datetime.now(UTC) - timedelta(days=7)
    with writing(engine) as connection:
        polls.add(connection, [(Poll("openrouter", ("models",), at, at, Status.OK), [])])
    engine.dispose()
    return file


def configure(text: str, folder: Path | None = None) -> None:
    ((folder or Path()) / "ratecard.toml").write_text(text, encoding="utf-8")


def test_a_test_message_goes_to_every_channel(ratecard: Verb, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_mail_server() as mail:
        monkeypatch.setenv("MAIL_URL", mail.url())
        configure(ONE_CHANNEL + 'mail = {url = "MAIL_URL", kinds = ["budget"]}\n')
        ran = ratecard("alerts", "test")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "Sent to oncall (web hook).\nSent to mail (mail).\n"
    assert hook.titles == [mail.received[0]["Subject"]] == ["Ratecard: a test"]


def test_a_test_that_fails_says_so_in_one_sentence(ratecard: Verb, hook: Hook) -> None:
    configure(ONE_CHANNEL)
    hook.statuses = [403]

    ran = ratecard("alerts", "test", "oncall")
    assert (ran.code, ran.out, ran.err) == (1, "", "The channel oncall answered 403.\n")


@pytest.mark.parametrize(
    ("toml", "arguments", "said"),
    [
        ("", ["test"], "ratecard: No alert channel is set up. Write into ratecard.toml"),
        (ONE_CHANNEL, ["test", "nope"], "ratecard: There is no alert channel nope; there is: oncall."),
        (f'[alerts.channels]\nops = "slack://{PLANTED}"\n', ["test"], "ratecard: The setting alerts.channels.ops.url"),
        (f'[alerts.channels]\n"slack://{PLANTED}" = "X"\n', ["test"], "ratecard: The setting alerts.channels ("),
        ('[alerts]\nquiet = "late"\n', ["test"], "ratecard: The setting alerts (RATECARD_ALERTS or"),
        ("[alerts.thresholds]\nprice_percent = 0\n", ["test"], "ratecard: The setting alerts.thresholds"),
    ],
)
def test_wrong_use_is_one_sentence(ratecard: Verb, toml: str, arguments: list[str], said: str) -> None:
    configure(toml)

    ran = ratecard("alerts", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(said)
    assert PLANTED not in ran.err


def test_a_url_in_the_settings_is_never_shown_even_to_a_debugger(ratecard: Verb, tmp_path: Path) -> None:
    configure(f'[alerts.channels]\nops = "slack://{PLANTED}"\n', tmp_path)

    ran = run_program("alerts", "test", cwd=tmp_path, RATECARD_DEBUG="1")
    assert "UsageError" in ran.err
    assert PLANTED not in ran.err.replace((tmp_path / "ratecard.toml").read_text(), "")


def test_a_check_raises_sends_and_lists(ratecard: Verb, hook: Hook, stale: Path) -> None:
    configure(ONE_CHANNEL)

    first, again = ratecard("alerts", "check"), ratecard("alerts", "check")
    assert (first.code, first.err) == (0, "Sent to oncall: openrouter is stale.\n")
    assert [each["title"] for each in first.json()] == ["openrouter is stale"]
    assert (again.json(), again.err) == ([], "Nothing new.\n")
    (listed,) = ratecard("alerts", "list").json()
    assert (listed["kind"], listed["state"]) == ("stale", "open")
    assert [(each["channel"], each["state"], each["attempts"]) for each in listed["deliveries"]] == [
        ("oncall", "sent", 1)
    ]
    assert "oncall: sent" in ratecard("alerts", "list", "--format", "table").out
    (row,) = [each for each in ratecard("status").json() if each["source"] == "alerts"]
    assert (row["state"], row["open"], row["note"]) == ("fresh", 1, "to oncall (web hook)")


def test_without_a_channel_alerts_are_still_listed(ratecard: Verb, stale: Path) -> None:
    ran = ratecard("alerts", "check")

    assert ran.code == 0
    assert "so nobody was told" in ran.err
    assert [each["deliveries"] for each in ratecard("alerts", "list", "--all").json()] == [[]]
    assert all(each["source"] != "alerts" for each in ratecard("status").json())


def test_status_tells_what_was_not_sent(ratecard: Verb, hook: Hook, stale: Path) -> None:
    configure(ONE_CHANNEL)
    hook.statuses = [500]

    ran = ratecard("alerts", "check")
    assert ran.code == 1
    assert "The channel oncall answered 500; it will be tried again: openrouter is stale." in ran.err
    (row,) = [each for each in ratecard("status").json() if each["source"] == "alerts"]
    assert (row["state"], row["note"]) == ("failing", "The channel oncall answered 500; 1 alerts wait.")


@pytest.mark.parametrize("status", [200, 500, None], ids=["taken", "refused", "hanging"])
def test_the_url_of_a_channel_is_in_no_output_and_in_no_file(
    tmp_path: Path, hook: Hook, stale: Path, status: int | None
) -> None:
    configure("[alerts]\ntimeout_s = 1\n" + ONE_CHANNEL, tmp_path)
    hook.statuses = [status]

    ran = [run_program("alerts", verb, cwd=tmp_path) for verb in ("check", "test", "list")] + [
        run_program("status", cwd=tmp_path)
    ]

    assert hook.seen
    assert all(PLANTED not in each.out + each.err for each in ran)
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert stale in written
    assert [file for file in written if PLANTED.encode() in file.read_bytes()] == []


def test_a_collector_killed_between_row_and_delivery_sends_after_a_restart_once(
    tmp_path: Path, hook: Hook, stale: Path, upstream: Upstream
) -> None:
    configure(ONE_CHANNEL, tmp_path)
    killed = dedent(
        """
        import os, signal, sys
        from collector.jobs import alert
        from scripts.ratecard import main

        alert.deliver = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
        sys.argv = ["ratecard", "alerts", "check"]
        main()
        """
    )
    died = subprocess.run([sys.executable, "-c", killed], cwd=tmp_path, env=environment(), check=False)
    assert (died.returncode, hook.seen) == (-9, [])

    with collecting(tmp_path, upstream) as collector:
        eventually(lambda: bool(collector.logged("alert sent")), "the message")
        collector.process.terminate()
        assert collector.ended() == 0
    assert run_program("alerts", "check", cwd=tmp_path).code == 0

    assert hook.titles == ["Ratecard: openrouter is stale"]
    assert len(hook.seen) == 1
    assert PLANTED not in collector.log.read_text(encoding="utf-8")
