"""The verb that fills the spend pages with synthetic usage: sample."""

from typing import TYPE_CHECKING, Annotated

import typer

from db.errors import StorageError
from scripts.cli import output
from scripts.cli.database import writable

if TYPE_CHECKING:
    from sqlalchemy import Engine


def sample(
    remove: Annotated[bool, typer.Option("--remove", help="Take the sample out again, without a trace.")] = False,
    format_: output.FormatOption = None,
) -> None:
    """Import a synthetic usage log of 90 days, marked as a sample, to try the spend pages with.

    Example: ratecard sample
    Example: ratecard sample --remove
    """
    from db.engine import reading
    from db.usage.imports import folders

    with writable() as engine:
        with reading(engine) as connection:
            there = folders(connection, sample=True)
        if remove:
            _remove(engine)
            output.tell("The sample is gone." if there else "There is no sample to remove.")
        elif there:
            output.tell("The sample is imported already. `ratecard sample --remove` takes it out.")
        else:
            _add(engine, format_)


def _add(engine: "Engine", format_: output.Format | None) -> None:
    from datetime import timedelta
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from collector.jobs import sample as job
    from collector.jobs.origin import Wanted
    from collector.jobs.poll import utc_now
    from collector.logs.generic import parse_mapping
    from db.engine import reading
    from db.prices.read import in_force_at
    from scripts.cli.usage import report, run

    now = utc_now()
    with reading(engine) as connection:
        before = in_force_at(connection, at=now - timedelta(days=job.DAYS))
        prices = job.picked(before, in_force_at(connection))
    if not prices:
        raise StorageError("A sample needs prices. `ratecard poll` loads those of today, `ratecard backfill` years.")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "sample.csv"
        job.write(file, prices, now)
        mapping = parse_mapping(",".join(f"{name}={name}" for name in job.COLUMNS))
        done = run([file], Wanted(mapping=mapping, sample=True))
    output.tell(f"{done.imported:,} synthetic requests, marked as a sample. `ratecard sample --remove` takes them out.")
    report(done, format_)


def _remove(engine: "Engine") -> None:
    from db.engine import reading, writing
    from db.settings import load
    from db.usage import imports
    from db.usage.engine import Costing
    from db.usage.staging import alone, condemn
    from db.usage.staging import remove as remove_folder

    usage = load(Costing).usage
    with alone(usage):
        with reading(engine) as connection:
            gone = imports.folders(connection, sample=True)
        for folder in gone:
            condemn(usage, folder, engine.url.render_as_string(hide_password=True))
        with writing(engine) as connection:
            imports.remove_samples(connection)
        for folder in gone:
            remove_folder(usage, folder)
