"""The error tree. Each message says what happened, to what, and what to do about it.

RatecardError
├── UsageError        wrong use or a bad setting
├── InputError        a file or body that cannot be read as what it should be
├── StorageError      the database is missing, busy, or of another version
└── SourceError       a source did not answer (`permanent` says whether a retry could help)
"""

from datetime import datetime


class RatecardError(Exception):
    """Anything that a user can be told in one sentence."""

    exit_code = 2


class UsageError(RatecardError):
    """Wrong use: an option, an environment variable or a line of ratecard.toml."""


class InputError(RatecardError):
    """A file or body that is not what it should be."""


class StorageError(RatecardError):
    """The database is missing, held by another collector, or of another version."""


class SourceError(RatecardError):
    """A source did not answer.

    `permanent`: trying the same again cannot help. `retry_at`: when the source asked to be left alone until.
    """

    exit_code = 1

    def __init__(self, message: str, *, permanent: bool = False, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_at = retry_at
