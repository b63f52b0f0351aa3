"""What is known of a poll."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """How a poll ended."""

    OK = "ok"
    PARTIAL = "partial"  # some items were rejected, or not reached
    IMPLAUSIBLE = "implausible"  # under half of the last complete poll: proves no absence
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One item that could not be used. It is unknown in this poll, not absent.

    `item` is the endpoint key, or the scope whose endpoints could not be read; None where not even that is known.
    """

    part: str
    item: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll row.

    `parts`: which lists of the source it read; `items`: how many entries its main list had; `changed`: versions
    that began or ended; `unsettled`: absences and suspect jumps that wait for a second poll; `seen`: what a poll
    that proves no absence did see (None for a complete one); `unknown_fields`: upstream field -> count.
    """

    source: str
    parts: tuple[str, ...]
    observed_at: datetime
    recorded_at: datetime
    status: Status
    items: int = 0
    changed: int = 0
    rejected: int = 0
    unsettled: int = 0
    body_digest: str | None = None
    content_digest: str | None = None
    seen: tuple[str, ...] | None = None
    unknown_fields: dict[str, int] | None = None
    error: str | None = None
    retry_at: datetime | None = None
    duration_ms: int | None = None
    id: int | None = None

    @property
    def complete(self) -> bool:
        """Whether what it did not see was absent."""
        return self.status in (Status.OK, Status.PARTIAL) and self.seen is None


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval in which a source was not seen although it usually was."""

    source: str
    start: datetime
    end: datetime | None
