"""The root of the command line: `ratecard VERB`. Verbs import what they need when they are called."""

import os
import sys

import typer

from db.errors import RatecardError
from scripts.cli import catalogue, collecting, prices, serving, state

app = typer.Typer(
    name="ratecard",
    help="A rate card of the LLM market and of your own bill: every price, when it held, and what was known of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

for panel, verbs in {
    "Start": (serving.run, collecting.init, state.doctor),
    "Collect": (collecting.backfill, collecting.poll, collecting.replay, serving.collect, collecting.alias),
    "Read": (
        serving.dashboard,
        state.status,
        catalogue.models,
        catalogue.model,
        prices.price,
        prices.history,
        prices.changes,
    ),
}.items():
    for verb in verbs:
        app.command(rich_help_panel=panel)(verb)


def main() -> None:
    """Run a verb. What goes wrong is told in one sentence; a traceback only with RATECARD_DEBUG=1."""
    try:
        app()
    except RatecardError as error:
        if os.environ.get("RATECARD_DEBUG"):
            raise
        print(f"ratecard: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("ratecard: stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output had enough (`| head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001: the last one before the user, who is to see a sentence
        if os.environ.get("RATECARD_DEBUG"):
            raise
        print(f"ratecard: This is a bug: {type(error).__name__}: {error}. RATECARD_DEBUG=1 shows where.", file=sys.stderr)
        sys.exit(70)


if __name__ == "__main__":
    main()
