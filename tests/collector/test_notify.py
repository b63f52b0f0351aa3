"""Sending one message, to real servers on this machine."""

import time
from collections.abc import Iterator

import pytest

from collector.notify import carry_out, send, service
from tests.support.receivers import Hook, running_hook, running_mail_server

TIMEOUT_S = 10.0


@pytest.fixture
def hook() -> Iterator[Hook]:
    with running_hook() as running:
        yield running


def test_a_web_hook_gets_the_message_and_its_identity(hook: Hook) -> None:
    assert send(hook.url(), "A title", "Some text", "message-1", TIMEOUT_S) is None

    assert [(each["title"], each["message"]) for each in hook.received] == [("A title", "Some text")]
    assert hook.headers[0]["Idempotency-Key"] == "message-1"


def test_a_mail_is_sent() -> None:
    with running_mail_server() as mail:
        assert send(mail.url(), "A title", "Some text", "message-1", TIMEOUT_S) is None

    assert len(mail.received) == 1
    assert (mail.received[0]["Subject"], mail.received[0]["To"]) == ("A title", "oncall@example.com")
    assert mail.received[0]["Idempotency-Key"] == "message-1"
    assert "Some text" in mail.received[0].as_string()


@pytest.mark.parametrize("status", [401, 404, 500, 302])
def test_a_web_hook_that_refuses_is_told_about(hook: Hook, status: int) -> None:
    hook.statuses = [status]

    assert send(hook.url(), "title", "text", "id", TIMEOUT_S) == f"answered {status}"


def test_options_that_repeat_or_hide_a_failure_have_no_effect(hook: Hook) -> None:
    hook.statuses = [500]

    assert send(f"{hook.url()}?retry=3&optional=yes&wait=0", "title", "text", "id", TIMEOUT_S) == "answered 500"
    assert len(hook.seen) == 1


def test_a_server_that_never_answers_is_bounded(hook: Hook) -> None:
    hook.statuses = [None]
    began = time.monotonic()

    why = send(f"{hook.url()}?rto=60", "title", "text", "id", 1)

    assert why in {"could not be reached", "did not answer within 1 s"}
    assert time.monotonic() - began < 10


def test_nobody_there_is_told_about() -> None:
    with running_hook() as gone:
        url = gone.url()

    assert send(url, "title", "text", "id", TIMEOUT_S) == "could not be reached"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # apprise loads all of its services
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("syslog://", "has a URL of the kind syslog://"),
        ("macosx://", "has no apprise URL"),
        ("dbus://", "has no apprise URL"),
        ("exec:///bin/true", "has no apprise URL"),
        ("hello", "has no apprise URL"),
        ("slack://only/two", "has a URL that its service cannot be reached with"),
        ("json://127.0.0.1/?template=/etc/passwd", "has a URL with the option template="),
        ("mailto://u:p@example.com?pgp=encrypt&pgppub=/etc/passwd", "has a URL with the option pgp="),
    ],
)
def test_what_would_run_here_or_read_a_file_is_refused(url: str, why: str) -> None:
    said = carry_out({"url": url, "title": "title", "body": "text", "uid": "id", "timeout_s": TIMEOUT_S})

    assert said is not None
    assert said.startswith((why, "has a URL of the kind"))
    assert "passwd" not in said


def test_only_the_kind_of_a_service_is_told() -> None:
    assert service("slack://T1JJ3T3L2/A1BRTD4JD/planted") == "Slack"
    assert service("mailtos://user:planted@example.com") == "mail"
    assert service("https://hooks.slack.com/services/planted") == "its own web address"
    assert service("planted") == "unknown"
