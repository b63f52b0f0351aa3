"""The root of the command line: `ratecard VERB`. Verbs import what they need when they are called."""

import os
import sys

import typer

from db.errors import RatecardError
from scripts.cli import (
    alerting,
    catalogue,
    collecting,
    comparing,
    explaining,
    planning,
    prices,
    probing,
    recosting,
    restating,  # noqa: F401  # adds its verb to the group itself
    sampling,
    scenarios,
    serving,
    spending,
    state,
    usage,  # noqa: F401  # adds its verbs to the group itself
    usage_group,
)
from scripts.cli.output import tell

app = typer.Typer(
    name="ratecard",
    help="A rate card of the LLM market and of your own bill: every price, when it held, and what was known of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

for panel, verbs in {
    "Start": (serving.run, collecting.init, state.doctor),
    "Collect": (
        collecting.backfill,
        collecting.poll,
        collecting.replay,
        serving.collect,
        collecting.alias,
        probing.watch,
        probing.probe,
    ),
    "Read": (
        serving.dashboard,
        state.status,
        catalogue.models,
        catalogue.model,
        prices.price,
        prices.history,
        prices.changes,
        comparing.compare,
    ),
}.items():
    for verb in verbs:
        app.command(rich_help_panel=panel)(verb)
for of_usage in (spending.summary, spending.imports, spending.export, recosting.recost, recosting.reconcile):
    usage_group.usage.command()(of_usage)
app.add_typer(usage_group.usage, rich_help_panel="Spend")
app.add_typer(alerting.alerts, rich_help_panel="Read")
app.command(rich_help_panel="Spend")(sampling.sample)
for of_plans in (planning.project, explaining.impact, explaining.bridge):
    app.command(rich_help_panel="Plan")(of_plans)
app.add_typer(planning.budget, rich_help_panel="Plan")
app.add_typer(scenarios.scenario, rich_help_panel="Plan")


def main() -> None:
    """Run a verb. What goes wrong is told in one sentence; a traceback only with RATECARD_DEBUG=1."""
    try:
        sys.exit(_run())
    except RatecardError as error:
        if os.environ.get("RATECARD_DEBUG"):
            raise
        tell(f"ratecard: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        tell("ratecard: stopped.")
        sys.exit(130)
    except Exception as error:
        if os.environ.get("RATECARD_DEBUG"):
            raise
        tell(f"ratecard: This is a bug: {type(error).__name__}: {error}. RATECARD_DEBUG=1 shows where.")
        sys.exit(70)


def _run() -> int | str | None:
    """The exit code of a verb. What nobody reads of a help page (`| head`) is no error either."""
    try:
        try:
            app(prog_name="ratecard")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        pass
    except SystemExit as ended:
        # Typer makes a broken pipe an exit of 1, which would mean "no".
        if not isinstance(ended.__context__, BrokenPipeError):
            return ended.code
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    main()
