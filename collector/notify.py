"""Sends one message to one channel, through apprise, in a process of its own.

A thread that hangs cannot be ended, and would deliver the message after it was given up, and so twice; a process can.
It also keeps to itself whatever apprise logs, prints or caches: an address of a channel is a secret. That address goes
in by standard input; nothing but a fixed sentence comes out. This file must run alone: it imports no other of ours.
"""

import json
import os
import re
import subprocess
import sys
from typing import Any, Final

SERVICES: Final = {
    "mailto": "mail",
    "mailtos": "mail",
    "ses": "Amazon SES",
    "mailgun": "Mailgun",
    "sendgrid": "SendGrid",
    "postmark": "Postmark",
    "slack": "Slack",
    "workflow": "Microsoft Teams",
    "workflows": "Microsoft Teams",
    "discord": "Discord",
    "tgram": "Telegram",
    "mmost": "Mattermost",
    "mmosts": "Mattermost",
    "rocket": "Rocket.Chat",
    "rockets": "Rocket.Chat",
    "gchat": "Google Chat",
    "wxteams": "Webex",
    "webex": "Webex",
    "zulip": "Zulip",
    "matrix": "Matrix",
    "matrixs": "Matrix",
    "nctalk": "Nextcloud Talk",
    "nctalks": "Nextcloud Talk",
    "lark": "Lark",
    "feishu": "Feishu",
    "dingtalk": "DingTalk",
    "wecombot": "WeCom",
    "line": "Line",
    "whatsapp": "WhatsApp",
    "signal": "Signal",
    "signals": "Signal",
    "twilio": "Twilio",
    "vonage": "Vonage",
    "sns": "Amazon SNS",
    "pagerduty": "PagerDuty",
    "opsgenie": "Opsgenie",
    "splunk": "Splunk On-Call",
    "victorops": "Splunk On-Call",
    "signl4": "SIGNL4",
    "spike": "Spike.sh",
    "pagertree": "PagerTree",
    "pover": "Pushover",
    "pbul": "Pushbullet",
    "ntfy": "ntfy",
    "ntfys": "ntfy",
    "gotify": "Gotify",
    "gotifys": "Gotify",
    "json": "web hook",
    "jsons": "web hook",
    "xml": "web hook",
    "xmls": "web hook",
    "form": "web hook",
    "forms": "web hook",
}
"""Scheme of an apprise URL -> the service behind it. All are reached by the network. What apprise would do on this
machine (a program, a desktop, a system log, a device), and what nobody has looked at, is left out."""

READS_FILES: Final = {"template", "keyfile", "subfile", "attach", "pgp", "pgpkey", "pgppub", "pgpprv", "wkd"}
"""Options of apprise URLs that would read a file of this machine, or fetch one."""
NOT_OURS: Final = {"retry", "wait", "optional", "overflow", "rto", "cto", "redirect"}
"""Options that would repeat a message, or call a failure a success: these are for us to decide."""
START_S: Final = 5
"""What starting the process may take, on top of the time to send."""

_STATUS: Final = re.compile(r"\berror=(\d{3})\b")


def service(url: str) -> str:
    """What kind of service an apprise URL leads to. Says nothing else of it."""
    scheme = url.partition("://")[0].lower()
    return SERVICES.get(scheme, "its own web address" if scheme == "https" else "unknown")


def send(url: str, title: str, body: str, uid: str, timeout_s: float) -> str | None:
    """Send it; None once it was, or why not, as the end of a sentence that begins with the channel. Never raises for
    what a channel does. `uid`: goes with it where the service has a place for that."""
    order = {"url": url, "title": title, "body": body, "uid": uid, "timeout_s": timeout_s}
    try:
        # -P: the folder of this file is no place to import from, its names are those of the standard library.
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", __file__],
            input=json.dumps(order).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s + START_S,
            check=False,
            start_new_session=True,  # Ctrl-C is for us, and a message under way is let finish
        )
    except subprocess.TimeoutExpired:
        return f"did not answer within {timeout_s:g} s"
    except OSError as error:
        return f"could not be tried: {error.strerror}"
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return "could not be tried: the process that sends ended early"
    return None if answer["sent"] else str(answer["why"])


def main() -> None:
    """Carry out the order on standard input."""
    answers = os.dup(1)
    # Whatever is printed meanwhile is not the answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    why = carry_out(json.load(sys.stdin))
    os.write(answers, json.dumps({"sent": why is None, "why": why}).encode())
    # Threads of a service that hang are not waited for.
    os._exit(0)


def carry_out(order: dict[str, Any]) -> str | None:
    """What `send` orders, in this process; None once it is sent, or why not."""
    import logging

    from apprise import Apprise, AppriseAsset
    from apprise.plugins import url_to_dict

    heard: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("apprise").addHandler(handler)
    parsed = url_to_dict(order["url"])  # type: ignore[no-untyped-call]
    if (refused := _refused(parsed)) is not None:
        return refused
    asset = AppriseAsset(app_id="Ratecard", storage_mode="memory", http_redirects=False, async_mode=False)
    settled = {key: value for key, value in parsed.items() if key not in NOT_OURS} | {"overflow": "truncate"}
    settled |= {"rto": order["timeout_s"], "cto": order["timeout_s"]}
    channel = Apprise.instantiate(settled, asset=asset)
    if channel is None:
        return "has a URL that its service cannot be reached with: a part is missing or wrong"
    headers = getattr(channel, "headers", None)
    if isinstance(headers, dict):
        headers["Idempotency-Key"] = order["uid"]
    try:
        sent = channel.notify(body=order["body"], title=order["title"], body_format="text")
    except Exception:  # noqa: BLE001 - a plugin may raise anything, and its words may hold the URL
        return "could not be sent to: its service failed in a way of its own"
    return None if sent else _reason(heard)


def _refused(parsed: dict[str, Any] | None) -> str | None:
    """Why the URL is not used; None where it is."""
    if not parsed:
        return "has no apprise URL; `mailto://…`, `slack://…` and `json://…` are some"
    scheme = str(parsed.get("schema", "")).lower()
    if scheme not in SERVICES:
        return (
            f"has a URL of the kind {scheme}://, which Ratecard does not send to: it uses services on the network only"
        )
    options = {str(name).lower() for name in parsed.get("qsd", {})}
    if found := sorted(READS_FILES & options):
        return f"has a URL with the option {found[0]}=, which would read a file; Ratecard sends text only"
    return None


def _reason(heard: list[str]) -> str:
    """A sentence of ours for what apprise warned of, whose own words may hold an address or a key."""
    said = " ".join(heard)
    if found := _STATUS.search(said):
        return f"answered {found[1]}"
    if "onnection error" in said:
        return "could not be reached"
    return "did not take the message"


if __name__ == "__main__":
    main()
