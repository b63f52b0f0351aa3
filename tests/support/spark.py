"""A real Spark cluster of the tests' own: a standalone master and two workers on loopback, then gone."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.support.programs import java_runs

WORKERS = 2
STARTING_S = 90
"""How long a busy machine may take to start a Java process; it is not waited for once it stands."""

MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"
CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"


class ClusterFailedError(Exception):
    """Spark is installed but did not start; the message holds the end of its own words."""


@dataclass(frozen=True)
class Cluster:
    """`url`: the master's address; `workers`: the workers' process ids."""

    url: str
    workers: tuple[int, ...]

    def executors(self) -> list[int]:
        """The process ids of the workers' executors: they run only while a session is open."""
        return [pid for worker in self.workers for pid in children(worker, "CoarseGrainedExecutorBackend")]


def lacking() -> str | None:
    """What Spark lacks on this machine."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:  # a folder of its leftovers is no package
        return "pyspark is not installed (scripts/test installs requirements-spark.lock)"
    if not java_runs():
        return "no Java is installed"
    return None


def children(pid: int, pattern: str) -> list[int]:
    """The process's children whose command line holds the pattern."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", pattern], capture_output=True, text=True, check=False).stdout
    return [int(line) for line in found.split()]


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A master and two workers of one core and 1 GB each, on free ports of 127.0.0.1."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(_folder()))
        ports = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        _, said = stack.enter_context(_running("spark-class", [MASTER, *ports], home / "master"))
        url = _line(said, r"Starting Spark master at (spark://\S+)")
        size = ["--cores", "1", "--memory", "1g"]
        workers: list[int] = []
        for i in range(WORKERS):
            place = home / f"worker-{i}"
            command = [WORKER, *ports, *size, "--work-dir", str(place / "work"), url]
            worker, said_by_worker = stack.enter_context(_running("spark-class", command, place))
            _line(said_by_worker, r"(Successfully registered with master)")
            workers.append(worker.pid)
        yield Cluster(url, tuple(workers))


@contextmanager
def running_connect_server() -> Iterator[str]:
    """A Spark Connect server on a free port; yields its address."""
    with _folder() as home:
        settings = ["spark.connect.grpc.binding.port=0", "spark.connect.grpc.binding.address=127.0.0.1"]
        conf = [word for each in (*settings, "spark.ui.enabled=false") for word in ("--conf", each)]
        command = ["--class", CONNECT, "--master", "local[1]", "--driver-memory", "1g", *conf, "spark-internal"]
        with _running("spark-submit", command, Path(home)) as (_, said):
            port = _line(said, r"Spark Connect server started at: \S+?:(\d+)")
            yield f"sc://127.0.0.1:{port}"


@contextmanager
def _folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ratecard-spark-", ignore_cleanup_errors=True) as home:
        yield home


@contextmanager
def _running(program: str, arguments: list[str], home: Path) -> Iterator[tuple["subprocess.Popen[bytes]", "Said"]]:
    """One of Spark's own programs in a process group of its own; the whole group ends with the block."""
    home.mkdir(parents=True, exist_ok=True)
    log = home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [spark_home() / "bin" / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=home,
            env={**os.environ, **environment(home)},
            start_new_session=True,
        )
    try:
        yield process, Said(process, log)
    finally:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# Small, quick to start on a machine of two cores; what Ratecard itself does not set.
DEFAULTS = """
spark.sql.shuffle.partitions 8
spark.driver.extraJavaOptions -XX:+UseSerialGC -XX:TieredStopAtLevel=1
spark.executor.extraJavaOptions -XX:+UseSerialGC -XX:TieredStopAtLevel=1
"""


def environment(scratch: Path) -> dict[str, str]:
    """Spark's own settings for a cluster that nobody else can reach."""
    conf = scratch / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "spark-defaults.conf").write_text(DEFAULTS, encoding="utf-8")
    return {
        "SPARK_HOME": str(spark_home()),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(scratch / "scratch"),
        "SPARK_DAEMON_MEMORY": "768m",
        "SPARK_DAEMON_JAVA_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }


def spark_home() -> Path:
    spec = find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@dataclass(frozen=True)
class Said:
    """What a process writes while it runs."""

    process: "subprocess.Popen[bytes]"
    log: Path


def _line(said: Said, pattern: str) -> str:
    """The pattern's first group, once the process has said it."""
    deadline = time.monotonic() + STARTING_S
    while True:
        text = said.log.read_text(encoding="utf-8", errors="replace")
        if found := re.search(pattern, text):
            return found[1]
        if said.process.poll() is not None or time.monotonic() > deadline:
            raise ClusterFailedError(f"no {pattern!r} in what Spark said:\n{text[-2000:]}")
        time.sleep(0.1)
