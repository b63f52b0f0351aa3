"""Files of any shape in, records out, and what is wrong with the others."""

import gzip
import json
import tracemalloc
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from collector.logs.base import Parsed
from collector.logs.lines import LONGEST
from collector.logs.reading import CutShortError, Shape, read, sample, shape
from db.errors import InputError

Refused = list[tuple[int, str]]


def read_all(path: Path) -> tuple[list[tuple[int, Any]], Refused]:
    """What can be read, and what cannot."""
    refused: list[Parsed] = []
    records = list(read(path, refused.append))
    return records, [(each.line, each.reason) for each in refused]


def reading_until_the_break(path: Path) -> tuple[int, CutShortError]:
    """How many records come before the break, and what is said about it."""
    count = 0
    try:
        for _ in read(path, lambda _: None):
            count += 1
    except CutShortError as cut:
        return count, cut
    pytest.fail("it was read to its end")


def log(tmp_path: Path, content: bytes | str, name: str = "usage.log") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(count: int, start: int = 0) -> str:
    return "".join(f'{{"n":{i},"cost":0.1}}\n' for i in range(start, start + count))


def zstd(content: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": 1}\n{"a": 2}\n', Shape("jsonl")),
        ('{"a": 1}', Shape("jsonl")),
        ('\ufeff{"a": 1}\r\n{"a": 2}', Shape("jsonl")),
        ('rotated\n{"a": 1}\n{"a": 2}\n', Shape("jsonl")),
        ('[2026-01-01] INFO start\n{"a": 1}\n', Shape("jsonl")),
        ('{"a": 1, "b\n{"a": 2}\n', Shape("jsonl")),
        ('{"a": 1,\n{"a": 2}\n', Shape("jsonl")),
        ('[{"a": 1}, {"a": 2}]', Shape("json")),
        (' \n[\n  {"a": 1}\n]', Shape("json")),
        ('{\n "data": [\n{"a": 1}\n]}', Shape("json")),
        ('{"data": [\n{"a": 1}\n]}', Shape("json")),
        ("time,model\n1,a\n2,b\n", Shape("csv", ",")),
        ('time;model;text\n1;a;"b, c, d"\n', Shape("csv", ";")),
        ("time\tmodel, or so\n1\ta\n", Shape("csv", "\t")),
        ("\ufefftime|model\r\n1|a\r\n", Shape("csv", "|")),
        ("PAR1....", Shape("parquet")),
    ],
)
def test_the_shape_is_told_by_the_content(tmp_path: Path, content: str, expected: Shape) -> None:
    assert shape(log(tmp_path, content)) == expected


@pytest.mark.parametrize("name", ["usage.jsonl", "usage.jsonl.gz", "usage"])
def test_compression_is_told_by_the_content_too(tmp_path: Path, name: str) -> None:
    assert shape(log(tmp_path, gzip.compress(lines(2).encode()), name)) == Shape("jsonl", compression="gzip")
    assert shape(log(tmp_path, zstd(lines(2).encode()), name)) == Shape("jsonl", compression="zstd")
    assert len(read_all(log(tmp_path, lines(2), name))[0]) == 2


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf \n\n", "it is empty"),
        (gzip.compress(b""), "it is empty"),
        (gzip.compress(b"abc")[:6], "its compressed data is cut off"),
        (bytes(range(256)), "it is binary, neither JSON nor CSV nor Parquet"),
        ("time,model\n1,a\n".encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
        (b"just some words\nand some more\n", "it is neither JSON nor a table with a header line"),
        (b"time,model,model\n1,a,b\n", "its header names the column 'model' twice"),
        (b"PAR1", "it is Parquet, which needs the format generic and a mapping of its columns"),
    ],
)
def test_what_is_no_log_is_refused_in_one_sentence(tmp_path: Path, content: bytes, why: str) -> None:
    path = log(tmp_path, content)

    with pytest.raises(InputError) as refusal:
        read_all(path)

    assert str(refusal.value) == f"{path} is no log that can be read: {why}."


def test_what_cannot_be_opened_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="cannot be read: "):
            read_all(path)
        with pytest.raises(InputError, match="cannot be read: "):
            shape(path)


def test_a_garbage_line_costs_itself_only(tmp_path: Path) -> None:
    garbage = [b'{"n":', b"", b'{"n": "\xff"}', b"[1]", b"NaN", b'{"n":1} {}', b'{"a":' * 9_999, b"{}\r", b""]
    content = lines(2).encode() + b"\n".join(garbage) + lines(1).encode()

    records, refused = read_all(log(tmp_path, content))

    assert [line for line, _ in records] == [1, 2, 10, 11]
    assert [line for line, _ in refused] == [3, 5, 6, 7, 8, 9]
    assert refused[1] == (5, "it is not UTF-8 text")
    assert refused[2] == (6, "it is not a JSON object")
    assert refused[5] == (9, "it is nested too deeply")
    assert all(reason.startswith("it is not JSON: ") for _, reason in (refused[0], refused[4]))


def test_numbers_are_exact_and_absurd_ones_are_text(tmp_path: Path) -> None:
    many = "9" * 5_000
    text = f'{{"a": 0.1, "b": 1E-7, "c": 12, "d": {many}, "e": NaN, "f": 1e999999, "g": -Infinity, "h": 1.0}}'

    ((_, record),), _ = read_all(log(tmp_path, text))

    assert record == {
        "a": Decimal("0.1"),
        "b": Decimal("1E-7"),
        "c": 12,
        "d": many,
        "e": "NaN",
        "f": "1e999999",
        "g": "-Infinity",
        "h": Decimal("1.0"),
    }
    assert not any(isinstance(value, float) for value in record.values())


def test_a_line_of_5_mb_is_read_and_one_beyond_16_mb_is_refused(tmp_path: Path) -> None:
    long, longer = json.dumps({"n": "x" * 5_000_000}), json.dumps({"n": "x" * LONGEST})

    for order in ([long, longer], [longer, long]):
        records, refused = read_all(log(tmp_path, "\n".join([*order, lines(2)])))
        assert [len(str(record["n"])) for _, record in records] == [5_000_000, 1, 1]
        assert [reason for _, reason in refused] == ["it is longer than 16 MB"]


@pytest.mark.parametrize(
    "wrapped",
    [
        "[{}]",
        '{{"data": [{}]}}',
        '{{"object": "page", "data": [{}], "has_more": false}}',
        '{{"has_more": true, "next": {{"data": [0]}}, "data": [{}]}}',
        '{{"resourceSpans": [{}]}}',
    ],
)
@pytest.mark.parametrize("between", [", ", ",\n  "])
@pytest.mark.parametrize("count", [3, 60_000])
def test_a_document_gives_its_records_with_their_places(tmp_path: Path, wrapped: str, between: str, count: int) -> None:
    content = wrapped.format(between.join(f'{{"n": {i}, "text": "[{{\\"]}}"}}' for i in range(count)))
    records, refused = read_all(log(tmp_path, content))

    assert refused == []
    assert [record["n"] for _, record in records] == list(range(count))
    expected = (
        [1] * count if "\n" not in content and len(content) < 1 << 20 and content[0] == "{" else range(1, count + 1)
    )
    assert [line for line, _ in records] == list(expected)


def test_pages_one_after_the_other_are_read_as_one(tmp_path: Path) -> None:
    page = json.dumps({"data": [{"n": 1}, {"n": 2}]}, indent=1)

    assert len(read_all(log(tmp_path, f"{page}\n{page}"))[0]) == 4
    assert len(read_all(log(tmp_path, "\n".join(json.dumps(json.loads(page)) for _ in range(3))))[0]) == 6
    assert len(read_all(log(tmp_path, '[{"n": 1}]\n[{"n": 2}]'))[0]) == 2


def test_a_response_with_data_is_a_record_and_no_page(tmp_path: Path) -> None:
    body = {"object": "list", "data": [{"embedding": [0.5]}], "model": "m", "usage": {"prompt_tokens": 3}}

    records, _ = read_all(log(tmp_path, json.dumps(body)))

    assert [record["object"] for _, record in records] == ["list"]


def test_a_large_object_that_wraps_nothing_is_a_record(tmp_path: Path) -> None:
    body = {"id": "a", "text": "x" * 3_000_000, "usage": {"n": 1}}

    ((_, record),), _ = read_all(log(tmp_path, json.dumps(body, indent=1)))

    assert record["usage"] == {"n": 1}


def test_a_broken_element_of_an_array_is_passed_over_by_its_brackets(tmp_path: Path) -> None:
    text = '[{"n": 1}, {"n" 2, "t": "]}", "u": [{}]}, 5, {"n": "\\\\"}, {"n": 4}]'

    records, refused = read_all(log(tmp_path, text))

    assert [(line, record["n"]) for line, record in records] == [(1, 1), (4, "\\"), (5, 4)]
    assert refused == [(2, "it is not JSON: Expecting ':' delimiter"), (3, "it is not a JSON object")]


def test_an_array_that_is_no_utf8_loses_that_record_only(tmp_path: Path) -> None:
    records, refused = read_all(log(tmp_path, b'[{"n": 1}, {"n": "\xff"}, {"n": 3}]'))

    assert [record["n"] for _, record in records] == [1, 3]
    assert refused == [(2, "it is not UTF-8 text")]


@pytest.mark.parametrize("rest", ['{"n": 5', '{"n": "abc', "", '{"n": 5}'])
def test_an_array_that_is_cut_off_gives_what_came_before(tmp_path: Path, rest: str) -> None:
    path = log(tmp_path, '[{"n": 1}, {"n": 2}, ' + rest)

    count, cut = reading_until_the_break(path)

    assert count == 2 + rest.endswith("}")
    assert cut.line == count
    assert str(cut).startswith(f"{path} ends early after line {count}: it ends within a ")
    assert str(cut).endswith("; what came before was read.")


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_truncated_file_gives_every_whole_record_before_the_break(tmp_path: Path, pack: Any) -> None:
    whole = pack(lines(200_000).encode())
    path = log(tmp_path, whole[: len(whole) // 2])

    count, cut = reading_until_the_break(path)

    assert 50_000 < count < 150_000
    assert cut.line == count
    assert f"{path} ends early after line {count}: its compressed data is cut off" in str(cut)
    assert len(sample(path)) == 50


def test_a_damaged_gzip_file_is_read_up_to_the_damage(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(lines(100_000).encode()))
    whole[-8] ^= 255  # the check sum, after all of the data

    count, cut = reading_until_the_break(log(tmp_path, bytes(whole)))

    assert count == cut.line == 100_000
    assert "it is damaged there" in str(cut)


def test_gzip_files_one_after_the_other_are_one(tmp_path: Path) -> None:
    content = b"".join(gzip.compress(lines(3, start).encode()) for start in (0, 3)) + b"\0" * 512

    assert [record["n"] for _, record in read_all(log(tmp_path, content))[0]] == [0, 1, 2, 3, 4, 5]


def test_csv_in_every_dress(tmp_path: Path) -> None:
    content = '\ufefftime;text;n\r\n1;"two\r\nlines; and ""quotes""";3\r\n\r\n2;b;4;;\r\ntime;text;n\r\n3;c\r\n4;d;5'

    records, refused = read_all(log(tmp_path, content))

    assert records == [
        (2, {"time": "1", "text": 'two\r\nlines; and "quotes"', "n": "3"}),
        (5, {"time": "2", "text": "b", "n": "4"}),
        (8, {"time": "4", "text": "d", "n": "5"}),
    ]
    assert refused == [(7, "it has 2 fields where the header names 3")]


@pytest.mark.parametrize("stray", ['9,a,b,c,d,"e', '9,"a,b,c,d,e', '9,a,"b,c,d,e'])
def test_a_stray_quote_does_not_swallow_its_neighbours(tmp_path: Path, stray: str) -> None:
    rows = [f"{i},a,b,c,d,e" for i in range(100)]
    content = "\n".join(["n,a,b,c,d,e", *rows, stray, *rows, '7,"x",b,c,d,e', stray, *rows])

    records, refused = read_all(log(tmp_path, content))

    assert len(records) == 301
    assert [line for line, _ in refused] == [102, 204]


def test_a_long_text_in_a_cell_is_read(tmp_path: Path) -> None:
    records, _ = read_all(log(tmp_path, f'n,text\n1,"{"x, y" * 1_250_000}"\n'))

    assert len(records[0][1]["text"]) == 5_000_000


def test_progress_is_told_in_bytes_of_the_file_on_disk(tmp_path: Path) -> None:
    for content in (lines(100_000).encode(), gzip.compress(lines(100_000).encode()), zstd(lines(100_000).encode())):
        told: list[int] = []
        path = log(tmp_path, content)
        assert sum(1 for _ in read(path, lambda _: None, told.append)) == 100_000
        assert told == sorted(told)
        assert told[-1] == path.stat().st_size


def test_a_sample_takes_garbage_in_its_stride(tmp_path: Path) -> None:
    assert len(sample(log(tmp_path, "garbage\n" + lines(10) + "{\n" + lines(90)))) == 50
    assert sample(log(tmp_path, '[{"n": 1}, {"n": 2')) == [{"n": 1}]
    assert sample(log(tmp_path, lines(1) + "x" * 20_000_000 + "\n" + lines(1))) == [{"n": 0, "cost": Decimal("0.1")}]


@pytest.mark.parametrize("kind", ["lines", "array", "wrapped", "csv"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    peaks = []
    # Of what begins like a record, up to 16 MB are looked at to tell it from a document.
    for megabytes in (20, 40) if kind == "wrapped" else (4, 16):
        path = log(tmp_path, b"".join(content_of(kind, megabytes)))
        tracemalloc.start()
        count = sum(1 for _ in read(path, lambda _: None))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count >= megabytes * 100

    assert peaks[1] < 1.5 * peaks[0] + 2_000_000


def content_of(kind: str, megabytes: int) -> Iterable[bytes]:
    text = "x" * 10_000
    record = json.dumps({"text": text}).encode()
    start, between, end = {
        "lines": (b"", b"\n", b"\n"),
        "array": (b"[", b",", b"]"),
        "wrapped": (b'{"data": [', b",", b"]}"),
        "csv": (b"n,text\n1,a\n", b"\n", b"\n"),
    }[kind]
    yield start
    for i in range(megabytes * 100):
        yield between if i else b""
        yield f"{i},{text}".encode() if kind == "csv" else record
    yield end
