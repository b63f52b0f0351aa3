"""The same expression on a real Spark cluster: a master and two workers, each a process of its own."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from db.errors import StorageError, UsageError
from db.usage.engine import Costing, open_engine
from db.usage.spark import listeners
from tests.db.usage.conftest import World
from tests.db.usage.rolled import differences, engine_rows, femto_and_unpriced, tallies
from tests.support.availability import unavailable
from tests.support.spark import Cluster, children, lacking


def test_a_cluster_costs_a_million_requests_the_same_to_the_last_digit(
    spark_cluster: Cluster, million: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_engine(Costing(home=tmp_path, engine=spark_cluster.url)) as engine:
        names = engine.names(million.files)
        engine.cost(million.files, million.pricing, tmp_path / "cells")
        assert len(spark_cluster.executors()) == 2
    found = tallies(engine_rows(tmp_path / "cells", million.pricing))

    assert set(names) == {each.name for each in million.market.names}
    assert femto_and_unpriced(found) == femto_and_unpriced(million.expected)
    assert differences(million.expected, found)[:3] == []
    # Nothing on the user's terminal, and no process left behind.
    assert capfd.readouterr() == ("", "")
    assert not children(os.getpid(), "pyspark-shell")


def test_the_total_is_exact_after_an_executor_was_killed_in_mid_run(
    spark_cluster: Cluster, million: World, tmp_path: Path
) -> None:
    with (
        open_engine(Costing(home=tmp_path, engine=spark_cluster.url)) as engine,
        killing_one_executor(spark_cluster) as killed,
    ):
        engine.cost(million.files, million.pricing, tmp_path / "cells")
    found = tallies(engine_rows(tmp_path / "cells", million.pricing))

    assert killed, "the run was over before an executor could be killed"
    assert differences(million.expected, found)[:3] == []


def test_spark_connect_costs_the_same(spark_connect: str, fewer: World, tmp_path: Path) -> None:
    with open_engine(Costing(home=tmp_path, engine=spark_connect)) as engine:
        engine.cost(fewer.files, fewer.pricing, tmp_path / "cells")

    found = tallies(engine_rows(tmp_path / "cells", fewer.pricing))
    assert femto_and_unpriced(found) == femto_and_unpriced(fewer.expected)
    assert differences(fewer.expected, found)[:3] == []


@pytest.mark.parametrize("scheme", ["spark", "sc"])
def test_a_cluster_that_does_not_answer_is_one_sentence(scheme: str, tmp_path: Path) -> None:
    if lack := lacking():
        unavailable(lack)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        address = f"{scheme}://{place}" + ("/;token=hidden" if scheme == "sc" else "")

        with pytest.raises(StorageError) as error, open_engine(Costing(home=tmp_path, engine=address)):
            pass

    assert str(error.value) == f"No Spark cluster answers at {place}, which RATECARD_ENGINE names."


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        ("spark://one:7077", [("one", 7077)]),
        ("spark://one:7077,two:7078", [("one", 7077), ("two", 7078)]),
        ("spark://[::1]:7077", [("::1", 7077)]),
        ("sc://one", [("one", 15002)]),
        ("sc://one:15003/;use_ssl=true;token=x", [("one", 15003)]),
        ("local[2]", []),
    ],
)
def test_where_a_cluster_listens(address: str, hosts: list[tuple[str, int]]) -> None:
    assert listeners(address) == hosts


@pytest.mark.parametrize(
    "address", ["spark://", "spark://one", "spark://one:port", "spark://:7077", "sc://", "sc:///x"]
)
def test_half_an_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"spark://host:7077 or sc://host:15002"):
        listeners(address)


def test_an_engine_that_is_none_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"^RATECARD_ENGINE is neither"),
        open_engine(Costing(home=tmp_path, engine="yarn")),
    ):
        pass


@contextmanager
def killing_one_executor(cluster: Cluster) -> Iterator[list[int]]:
    """Kill one executor of the session that this process drives, while a stage of several tasks runs.

    Yields the process id that was killed, once it was.
    """
    from pyspark import SparkContext

    tracker = SparkContext.getOrCreate().statusTracker()
    over = Event()
    killed: list[int] = []

    def watch() -> None:
        while not over.is_set() and not killed:
            for stage in tracker.getActiveStageIds():
                info = tracker.getStageInfo(stage)
                if info is not None and info.numTasks > 1 and info.numActiveTasks:
                    executor = cluster.executors()[0]
                    os.kill(executor, signal.SIGKILL)
                    killed.append(executor)
                    return
            time.sleep(0.005)

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield killed
    finally:
        over.set()
        watcher.join()
