"""Getting a document politely: conditional requests, bounded size and time, retries that honour Retry-After."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import stamina

from db.errors import SourceError

AGENT: Final = "ratecard/0.1 (+price and usage analytics)"
LONGEST_WAIT_S: Final = 30.0
"""A Retry-After beyond this is not waited for: the poll fails, and the breaker keeps the time."""

_WHY: Final = {
    401: "the key was refused",
    402: "the account has no credit",
    403: "access was refused",
    404: "there is nothing at this address",
    429: "it asked for a pause (too many requests)",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one document may cost. Times in seconds, size in bytes."""

    timeout_s: float = 20
    deadline_s: float = 60
    attempts: int = 3
    max_body_bytes: int = 32 * 1024 * 1024
    first_pause_s: float = 0.5


class TryAgainError(SourceError):
    """A failure that the next attempt may not have; `wait_s` where the server named a pause."""

    def __init__(self, message: str, *, wait_s: float | None = None, retry_at: datetime | None = None) -> None:
        super().__init__(message, retry_at=retry_at)
        self.wait_s = wait_s


@dataclass
class Fetcher:
    """Gets documents below one base URL. Remembers ETags and bodies for as long as the process lives."""

    client: httpx.AsyncClient
    base: str
    bounds: Bounds
    # The headers may hold a key, which must not show where a Fetcher is printed.
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    kept: dict[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)

    async def get(self, path: str) -> bytes:
        """The body at `path`. Raises SourceError, in one sentence that names the address."""
        where = _place(self.base + path)
        try:
            async with asyncio.timeout(self.bounds.deadline_s):
                async for attempt in stamina.retry_context(
                    on=_pause,
                    attempts=self.bounds.attempts,
                    timeout=self.bounds.deadline_s,
                    wait_initial=self.bounds.first_pause_s,
                    wait_jitter=self.bounds.first_pause_s,
                    wait_max=LONGEST_WAIT_S,
                ):
                    with attempt:
                        return await self._once(self.base + path, where)
        except TimeoutError as error:
            raise SourceError(f"{where} took longer than {self.bounds.deadline_s:g} s in all.") from error
        raise SourceError(f"{where} gave no answer.")

    async def _once(self, url: str, where: str) -> bytes:
        known = self.kept.get(url)
        headers = self.headers | ({"If-None-Match": known[0]} if known else {})
        try:
            async with self.client.stream("GET", url, headers=headers) as response:
                if response.status_code == httpx.codes.NOT_MODIFIED and known:
                    return known[1]
                if response.status_code != httpx.codes.OK:
                    raise self._refusal(response, where)
                body = await self._body(response, where)
                if etag := response.headers.get("ETag"):
                    self.kept[url] = (etag, body)
                return body
        except httpx.TimeoutException as error:
            raise TryAgainError(f"{where} did not answer within {self.bounds.timeout_s:g} s.") from error
        except httpx.ConnectError as error:
            raise TryAgainError(f"{where} could not be reached ({_short(error)}). Is there a network?") from error
        except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
            raise SourceError(f"{where} is no address to get anything from: {_short(error)}", permanent=True) from error
        except httpx.HTTPError as error:
            raise TryAgainError(f"{where} broke off: {_short(error)}.") from error

    async def _body(self, response: httpx.Response, where: str) -> bytes:
        limit = self.bounds.max_body_bytes
        if "," in response.headers.get("Content-Encoding", ""):
            # A few bytes packed twice can unfold to gigabytes before they could be counted.
            raise SourceError(f"{where} sent a body that is packed more than once; nothing was kept.", permanent=True)
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > limit:
                raise SourceError(
                    f"{where} sent more than {limit / 1024 / 1024:.3g} MB; nothing was kept.", permanent=True
                )
        return bytes(body)

    def _refusal(self, response: httpx.Response, where: str) -> SourceError:
        status = response.status_code
        why = _WHY.get(status) or httpx.codes.get_reason_phrase(status) or "no reason given"
        message = f"{where} answered {status}: {why}."
        if status != httpx.codes.TOO_MANY_REQUESTS and status < 500 and status != httpx.codes.REQUEST_TIMEOUT:
            return SourceError(message, permanent=True)
        wait_s = retry_after_s(response.headers.get("Retry-After"), self.now())
        retry_at = self.now() + timedelta(seconds=wait_s) if wait_s is not None else None
        if wait_s is not None and wait_s > min(LONGEST_WAIT_S, self.bounds.deadline_s):
            return SourceError(message, retry_at=retry_at)
        return TryAgainError(message, wait_s=wait_s, retry_at=retry_at)


def _place(url: str) -> str:
    """Host and path, without what may be secret in an address. Raises SourceError where it is none."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SourceError(f"{url[:60]!r} is no address: {_short(error)}.", permanent=True) from error
    return f"{parsed.host}{parsed.path}"


def _pause(error: Exception) -> bool | float:
    """Whether to try again; a number is how many seconds the server asked to wait."""
    if not isinstance(error, TryAgainError):
        return False
    return True if error.wait_s is None else max(error.wait_s, 0.01)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds in a Retry-After header, which holds seconds or an HTTP date."""
    if not value:
        return None
    if re.fullmatch(r"[0-9]+", value.strip()):
        return float(min(int(value.strip()[:9]), 86_400 * 7))
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), 86_400.0 * 7)


def _short(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:120] if text else type(error).__name__
