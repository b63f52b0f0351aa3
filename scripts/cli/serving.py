"""The verbs that stay: run, collect, dashboard."""

import asyncio
import os
import signal
import socket
import subprocess
from typing import Annotated, Any

import typer

from db.errors import StorageError, UsageError
from scripts.cli import output
from scripts.cli.database import writable
from scripts.cli.logs import configure

Port = Annotated[int, typer.Option(help="The dashboard's port on 127.0.0.1.", min=1, max=65535)]


def run(port: Port = 8501) -> None:
    """Everything: prepare the database, collect on schedule, serve the dashboard. Ctrl-C ends it cleanly.

    Example: ratecard run
    """
    from collector.settings import Collecting
    from db.settings import load

    _free(port)
    settings = load(Collecting)
    with writable() as engine:
        configure()
        _first_prices(engine, settings)
        serving = _serve(port, str(settings.database_url))
        output.tell(f"The dashboard is at http://127.0.0.1:{port} (Ctrl-C ends it).")
        try:
            asyncio.run(_collect(settings, engine, serving))
        finally:
            _end(serving)


def collect() -> None:
    """The scheduler alone: poll every source when it is due, until SIGTERM or Ctrl-C.

    Example: ratecard collect
    """
    from collector.settings import Collecting
    from db.settings import load

    settings = load(Collecting)
    with writable() as engine:
        configure()
        asyncio.run(_collect(settings, engine, None))


def dashboard(port: Port = 8501) -> None:
    """The dashboard alone, on what is stored.

    Example: ratecard dashboard --port 8600
    """
    from db.settings import Storage, load

    _free(port)
    serving = _serve(port, load(Storage).database_url)
    output.tell(f"The dashboard is at http://127.0.0.1:{port} (Ctrl-C ends it).")
    signal.signal(signal.SIGTERM, lambda *_: serving.terminate())
    try:
        raise typer.Exit(max(0, serving.wait()))
    except KeyboardInterrupt:
        pass
    finally:
        _end(serving)


async def _collect(settings: Any, engine: Any, beside: subprocess.Popen[bytes] | None) -> None:
    """Collect until a signal comes, or until the process `beside` ends."""
    from collector.schedule import Collector

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    watch = asyncio.create_task(_watch(beside, stop)) if beside is not None else None
    try:
        await Collector(settings, engine).run(stop)
    except StorageError as error:
        if beside is None:
            raise
        # The dashboard is of use beside another collector.
        output.tell(f"{error} This one serves the dashboard only.")
        await stop.wait()
    finally:
        if watch is not None:
            watch.cancel()


async def _watch(process: subprocess.Popen[bytes], stop: asyncio.Event) -> None:
    while process.poll() is None:
        await asyncio.sleep(0.5)
    if not stop.is_set():
        output.tell("The dashboard ended; so does the collector.")
    stop.set()


def _first_prices(engine: Any, settings: Any) -> None:
    """On the first start, load the prices that a package carries: useful before any network."""
    from collector.jobs.poll import Desk, fetcher_for, open_client, poll
    from collector.sources import SOURCES
    from db.engine import reading
    from db.polls import read as polls

    with reading(engine) as connection:
        if polls.sources(connection):
            return

    async def load_package() -> None:
        source = SOURCES["genai_prices"]
        async with open_client(settings) as client:
            done = await poll(Desk(source), fetcher_for(source, client, settings), engine)
            output.tell(f"Loaded {done.items:,} prices that came with the installation.")

    asyncio.run(load_package())


def _serve(port: int, database_url: str) -> subprocess.Popen[bytes]:
    from dashboard import launch

    environment = os.environ | launch.environment() | {"RATECARD_DATABASE_URL": database_url}
    # A session of its own: Ctrl-C comes to us, and we end it.
    return subprocess.Popen(  # noqa: S603
        launch.command(port),
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(f"Port {port} is in use. Choose another with --port.") from error
