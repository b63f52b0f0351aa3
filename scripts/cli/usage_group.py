"""The group `ratecard usage`. Its verbs stand in scripts.cli.usage and scripts.cli.spending."""

import typer

usage = typer.Typer(
    name="usage",
    help="Your own usage logs: import them, and see what they cost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
