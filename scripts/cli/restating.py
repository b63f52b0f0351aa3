"""The verb `usage restate`: past cost at the prices that are believed now."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scripts.cli import output
from scripts.cli.database import writable
from scripts.cli.usage_group import usage

if TYPE_CHECKING:
    from db.usage.restating import Restated


@usage.command("restate")
def restate(format_: output.FormatOption = None) -> None:
    """Cost anew what rests on a price or a name that was learned better since. Nothing is overwritten.

    The collector does the same every hour. `usage summary --known-at` still gives each older report.

    Example: ratecard usage restate
    """
    from collector.jobs.restate import restate_all
    from db.settings import load
    from db.usage.engine import Costing

    with writable() as engine:
        changed = restate_all(engine, load(Costing), datetime.now(UTC))
    columns = {
        "import": "Import",
        "cells": "Cells added",
        "superseded": "Cells superseded",
        "delta_usd": "Moved by USD",
        "delta_unpriced": "Unpriced requests moved by",
    }
    output.rows([_row(each) for each in changed], format_, columns, "All past cost rests on what is believed now.")


def _row(changed: "Restated") -> dict[str, Any]:
    from db.usage.exact import usd

    return {
        "import": changed.import_id,
        "cells": changed.cells,
        "superseded": changed.superseded,
        "delta_usd": usd(changed.delta_nano),
        "delta_unpriced": changed.delta_unpriced,
    }
