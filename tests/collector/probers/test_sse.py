"""Server-sent events: the standard's own examples, and the same events however the bytes are cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.probers.sse import Event, Events


def events_of(*pieces: bytes) -> list[Event]:
    stream = Events()
    return [event for piece in pieces for event in stream.feed(piece)]


def data_of(*pieces: bytes) -> list[str]:
    return [event.data for event in events_of(*pieces)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n\n",
         ["first event", "second event", " third"]),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b"data:test\n\ndata: test\n\n", ["test", "test"]),
        (b"\xef\xbb\xbfdata: marked\n\n", ["marked"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\r\n", ["a", "b", "c"]),
        (b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: {}\n\n", ["{}"]),
        (b"retry: 5\nunknown: x\ndata: y\n\n", ["y"]),
        (b"data: \xf0\x9f\x98\x80 \xff\n\n", ["\U0001f600 \ufffd"]),
        (b"data: incomplete\n", []),
        (b"", []),
    ],
)  # fmt: skip
def test_events_are_read_as_the_standard_says(stream: bytes, expected: list[str]) -> None:
    assert data_of(stream) == expected


def test_an_event_can_have_a_name() -> None:
    assert events_of(b"event: error\ndata: no\n\ndata: yes\n\n") == [Event("error", "no"), Event("message", "yes")]


def test_an_event_is_out_as_soon_as_its_blank_line_is_there() -> None:
    stream = Events()

    assert [stream.feed(piece) for piece in (b"data: 1\r", b"\n\r", b"\ndata: 2", b"\n\n")] == [
        [],
        [Event("message", "1")],
        [],
        [Event("message", "2")],
    ]


def test_what_lacks_only_its_blank_line_is_there_at_the_end() -> None:
    for rest in (b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n"):
        stream = Events()
        assert stream.feed(b"data: 1\n\n" + rest) == [Event("message", "1")]
        assert stream.end() == [Event("message", "[DONE]")]
        assert stream.end() == []


ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
texts = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=12)
lines = st.one_of(
    texts.map(lambda text: b"data: " + text.encode()),
    texts.map(lambda text: b": " + text.encode()),
    st.just(b"event: error"),
    st.just(b""),
    st.binary(max_size=8).map(lambda noise: noise.replace(b"\r", b"").replace(b"\n", b"")),
)
streams = st.lists(st.tuples(lines, ends), max_size=20).map(lambda pairs: b"".join(line + end for line, end in pairs))


@given(streams, st.lists(st.integers(0, 400), max_size=12))
def test_the_events_are_the_same_wherever_the_bytes_are_cut(stream: bytes, cuts: list[int]) -> None:
    at = sorted({min(cut, len(stream)) for cut in cuts})
    pieces = [stream[start:stop] for start, stop in zip([0, *at], [*at, len(stream)], strict=True)]

    assert events_of(*pieces) == events_of(stream) == events_of(*(bytes([byte]) for byte in stream))


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"])), max_size=8), ends, st.data())
def test_what_was_sent_is_what_is_heard(sent: list[str], end: bytes, data: st.DataObject) -> None:
    stream = b"".join(b"data: " + json.dumps(text, ensure_ascii=False).encode() + end * 2 for text in sent)
    cut = data.draw(st.integers(0, len(stream)))

    assert [json.loads(text) for text in data_of(stream[:cut], stream[cut:])] == sent
