"""A session on a Spark cluster: it starts quietly, and ends without leaving a process behind."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from db.errors import StorageError, UsageError

OPTIONS: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
"""What costing needs. All else (memory, cores, the address at which the workers reach this machine) is Spark's own to
say: spark-defaults.conf in SPARK_CONF_DIR, SPARK_LOCAL_IP."""
CONNECT_PORT: Final = 15002
PATIENCE_S: Final = 10


@contextmanager
def spark_session(address: str, log: Path) -> Iterator[Any]:
    """A session on spark://host:7077, sc://host:15002 or local[2]; what Spark has to say goes to the file `log`.

    Raises UsageError where pyspark or Java is missing or the address is none, StorageError where the cluster does not
    answer or fails: in one sentence, and without what the address holds besides hosts, which may be a token.
    """
    hosts = listeners(address)
    where = ", ".join(f"{host}:{port}" for host, port in hosts) or address
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
    except ImportError as error:
        raise UsageError("RATECARD_ENGINE is a Spark cluster: install ratecard[spark] with pyspark.") from error
    if hosts and not any(map(_answers, hosts)):
        raise StorageError(f"No Spark cluster answers at {where}, which RATECARD_ENGINE names.")
    try:
        with _connect(address) if address.startswith("sc://") else _classic(address, log) as session:
            yield session
    except (PySparkException, Py4JError) as error:
        seen = f"; {log} holds what it said" if log.exists() else ""
        raise StorageError(f"The Spark cluster at {where} failed: {_first_line(error)}{seen}.") from error


def listeners(address: str) -> list[tuple[str, int]]:
    """Hosts and ports of a cluster's address, of which one must answer; none for local. Raises UsageError."""
    scheme, _, rest = address.partition("://")
    if scheme not in ("spark", "sc"):
        return []
    found: list[tuple[str, int]] = []
    for place in rest.partition("/")[0].split(","):
        try:
            parts = urlsplit(f"//{place}")
            port = parts.port or (CONNECT_PORT if scheme == "sc" else None)
        except ValueError:
            port = None
        if port is None or not parts.hostname:
            raise UsageError("RATECARD_ENGINE is no address: a cluster's is spark://host:7077 or sc://host:15002.")
        found.append((parts.hostname, port))
    return found


def _answers(listener: tuple[str, int]) -> bool:
    """Spark itself would try for minutes."""
    try:
        socket.create_connection(listener, PATIENCE_S).close()
    except OSError:
        return False
    return True


@contextmanager
def _connect(address: str) -> Iterator[Any]:
    # Not SparkSession.builder: that marks the whole process as one that can only do this.
    from pyspark.sql.connect.session import SparkSession

    session = SparkSession.builder.remote(address).create()
    try:
        for name, value in OPTIONS.items():
            if name.startswith("spark.sql."):
                session.conf.set(name, value)
        yield session
    finally:
        session.stop()


@contextmanager
def _classic(address: str, log: Path) -> Iterator[Any]:
    """This process drives, through a Java process of its own, which ends with the session."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    if not (environ.get("JAVA_HOME") or shutil.which("java")):
        raise UsageError("RATECARD_ENGINE is a Spark cluster, which needs Java 17 here: install it or set JAVA_HOME.")
    conf = SparkConf().setMaster(address).setAppName("ratecard").setAll(list(OPTIONS.items()))
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        gateway = launch_gateway(conf, {"stdout": said, "stderr": said})
    try:
        session = SparkSession(SparkContext(conf=conf, gateway=gateway))
        try:
            yield session
        finally:
            session.stop()
    finally:
        gateway.shutdown()
        gateway.proc.stdin.close()  # at which Java ends
        gateway.proc.wait()
        SparkContext._gateway = SparkContext._jvm = None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".: ")
