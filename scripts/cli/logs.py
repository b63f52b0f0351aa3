"""How the verbs log."""

import sys

from db.errors import RatecardError


def configure(*, quiet: bool = False) -> None:
    """Structured logs on standard error: for a person on a terminal, JSON lines otherwise. Keys are kept out.

    `quiet`: only what is worth a warning, for verbs that say themselves what came of it.
    """
    import logging

    import stamina
    import structlog

    from collector.schedule import redacted
    from collector.settings import secret

    try:
        key = secret("OPENROUTER_API_KEY")
    except RatecardError:
        key = None
    person = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redacted([key.get_secret_value()] if key else []),
            structlog.dev.ConsoleRenderer() if person else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR if quiet else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    # A retry is no news; what came of all of them is told by the poll.
    stamina.instrumentation.set_on_retry_hooks([])
