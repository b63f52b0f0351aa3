"""Fixtures with real things behind, and guards that keep a test on this machine and in its own folder."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import settings
from playwright.sync_api import Browser, Page

from tests.support.availability import MUST_RUN, unavailable
from tests.support.browser import opened_page, running_chromium
from tests.support.network import beyond_loopback, forbid_leaving_loopback
from tests.support.postgres import running_server
from tests.support.programs import OLDEST_POSTGRES, browser_driver_runs, find_chromium, find_postgres
from tests.support.repository import ROOT
from tests.support.spark import Cluster, environment, lacking, running_cluster, running_connect_server

# Read before the environment is cleared for the tests.
RECORDED_DATA = Path(os.environ.get("RATECARD_TEST_DATA") or ROOT.parent / "shared" / "data")

MARKER_OF_FIXTURE = {
    "chromium": "browser",
    "page": "browser",
    "postgres_url": "postgres",
    "postgres_database": "postgres",
    "recorded": "recorded",
    "spark_cluster": "spark",
    "spark_connect": "spark",
}

# What PySpark itself does when it fetches rows: nothing that a test could mend.
PYSPARK_LEAVES_SOCKETS = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

# A busy machine is no finding, and a run that must be judged is the same each time.
settings.register_profile("ratecard", deadline=None, derandomize=MUST_RUN)
settings.load_profile("ratecard")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they use, and leave the browser for last.

    Playwright keeps an event loop in the main thread once it has started; a test that calls `asyncio.run`
    after that would fail for no fault of its own.
    """
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if marker := MARKER_OF_FIXTURE.get(fixture):
                item.add_marker(marker)
        if item.get_closest_marker("spark"):
            item.add_marker(PYSPARK_LEAVES_SOCKETS)
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(autouse=True)
def isolated_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No setting or key of whoever runs the tests; returns the empty RATECARD_HOME of this test."""
    for name in list(os.environ):
        if name.startswith("RATECARD_") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    home = tmp_path / "ratecard-home"
    monkeypatch.setenv("RATECARD_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def attempts_to_leave(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Connections beyond this machine raise, and fail the test even where its code swallowed the error."""
    attempts = forbid_leaving_loopback(monkeypatch)
    yield attempts
    if attempts:
        pytest.fail(f"the test tried to {'; '.join(attempts)}", pytrace=False)


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of recorded upstream data (RATECARD_TEST_DATA)."""
    if not RECORDED_DATA.is_dir():
        unavailable(f"there is no recorded data at {RECORDED_DATA}; RATECARD_TEST_DATA names its folder")
    return RECORDED_DATA


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The SQLAlchemy URL of a real PostgreSQL server that this test run started."""
    programs = find_postgres()
    if programs is None:
        unavailable(f"no PostgreSQL {OLDEST_POSTGRES} or newer is installed")
    with running_server(programs) as url:
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own."""
    name = f"test_{secrets.token_hex(6)}"
    admin = sqlalchemy.create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.pool.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield sqlalchemy.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_database(tmp_path: Path) -> str:
    """The URL of a SQLite database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'ratecard.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, once in SQLite and once in PostgreSQL."""
    of_kind = {"sqlite": "sqlite_database", "postgresql": "postgres_database"}
    url: str = request.getfixturevalue(of_kind[request.param])
    return url


@pytest.fixture(scope="session")
def spark_servers() -> Iterator[Cluster]:
    """A real Spark master and two workers that this test run started."""
    if lack := lacking():
        unavailable(lack)
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def spark_cluster(spark_servers: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A Spark cluster, and the settings by which a session in this process finds it."""
    for name, value in environment(tmp_path / "spark").items():
        monkeypatch.setenv(name, value)
    return spark_servers


@pytest.fixture(scope="session")
def spark_connect() -> Iterator[str]:
    """The address of a real Spark Connect server that this test run started."""
    if lack := lacking():
        unavailable(lack)
    with running_connect_server() as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    program = find_chromium()
    if program is None:
        unavailable("no Chromium or Chrome is installed")
    if not browser_driver_runs():
        unavailable("playwright's own Node.js does not start; on Debian install libatomic1")
    with running_chromium(program) as browser:
        yield browser


@pytest.fixture
def requested() -> list[str]:
    """Every URL that `page` has asked for so far, in order."""
    return []


@pytest.fixture
def page(chromium: Browser, requested: list[str]) -> Iterator[Page]:
    """An empty page in a clean profile. A test whose page asked for anything beyond this machine fails."""
    with opened_page(chromium, requested) as opened:
        yield opened
    if outside := beyond_loopback(requested):
        pytest.fail(f"the page asked for {', '.join(outside)}", pytrace=False)
