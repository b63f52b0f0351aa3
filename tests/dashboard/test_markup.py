"""Tables as HTML: what comes from strangers is text, never markup."""

from dashboard import markup
from dashboard.markup import Column, Html


def test_text_is_escaped_and_html_is_not() -> None:
    assert markup.html("<b>&\"'") == "&lt;b&gt;&amp;&quot;&#x27;"
    assert markup.html(Html("<b>")) == "<b>"


def test_control_and_direction_characters_are_taken_out() -> None:
    assert markup.html("a\x00b\u202ec\u200bd\ne") == "abcd\ne"


def test_a_table_escapes_cells_headings_and_its_name() -> None:
    drawn = markup.table([Column("<i>", help='"x"'), Column("n", True)], [["<script>", "1"]], '"name"')

    assert "<script>" not in drawn
    assert "<i>" not in drawn
    assert 'title="&quot;x&quot;"' in drawn
    assert 'aria-label="&quot;name&quot;"' in drawn
    assert '<td class="num">1</td>' in drawn


def test_a_link_cannot_be_broken_out_of() -> None:
    drawn = markup.link("x", "model", {"model": 'a"><script>&b=c', "asof": None})

    assert drawn == '<a href="model?model=a%22%3E%3Cscript%3E%26b%3Dc" target="_self">x</a>'


def test_a_tooltip_is_escaped() -> None:
    assert markup.span("x", "mute", '"><img>') == '<span class="mute" title="&quot;&gt;&lt;img&gt;">x</span>'


def test_two_lines_and_tags() -> None:
    assert markup.two_lines("a", "") == "a"
    assert markup.tags(["a", "<"]) == '<span class="tag">a</span><span class="tag">&lt;</span>'
