"""Minutes as HTML: what an editor writes comes out, and nothing that does anything by itself."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from meeting.apiserver.minutes.render import safe_address, to_html, to_text

FILE = f"/files/{'a' * 32}"


def fragment() -> XmlFragment:
    doc: Doc[XmlFragment] = Doc()
    return doc.get("default", type=XmlFragment)


def block(parent: XmlFragment | XmlElement, tag: str, text: str = "", **attributes: object) -> XmlElement:
    element = parent.children.append(XmlElement(tag))
    for name, value in attributes.items():
        element.attributes[name] = value
    if text:
        element.children.append(XmlText(text))
    return element


def test_every_kind_of_text_comes_out() -> None:
    root = fragment()
    block(root, "heading", "Plan", level=2)
    words = block(root, "paragraph").children.append(XmlText("plain bold link"))
    words.format(6, 10, {"bold": {}, "italic": {}})
    words.format(11, 15, {"link": {"href": "https://a.example/?x=1&y"}})
    block(block(block(root, "bulletList"), "listItem"), "paragraph", "one")
    block(block(block(root, "orderedList", start=3), "listItem"), "paragraph", "three")
    block(block(block(root, "taskList"), "taskItem", checked=True), "paragraph", "done")
    block(root, "image", src=FILE, alt='the "plan"')
    block(root, "codeBlock", "a < b")
    block(root, "horizontalRule")
    assert to_html(root) == (
        "<h2>Plan</h2>"
        "<p>plain <em><strong>bold</strong></em> "
        '<a href="https://a.example/?x=1&amp;y" rel="noopener noreferrer nofollow">link</a></p>'
        "<ul><li><p>one</p></li></ul>"
        '<ol start="3"><li><p>three</p></li></ol>'
        '<ul><li><input type="checkbox" disabled checked> <p>done</p></li></ul>'
        f'<img src="{FILE}" alt="the &quot;plan&quot;">'
        "<pre><code>a &lt; b</code></pre><hr>"
    )
    assert to_text(root).splitlines() == [
        "Plan",
        "plain bold link",
        "- one",
        "- three",
        "[x] done",
        '[the "plan"]',
        "a < b",
        "---",
    ]


def test_what_is_unknown_is_replaced_by_what_it_contains() -> None:
    root = fragment()
    block(block(root, "script", "alert(1)"), "iframe", "x", src="https://evil.example")
    block(root, "paragraph", "<img src=x onerror=alert(1)>", onclick="alert(1)", style="x")
    assert to_html(root) == "alert(1)x<p>&lt;img src=x onerror=alert(1)&gt;</p>"


@pytest.mark.parametrize(
    "source", ["https://evil.example/x.png", "/files/../api/me", f"{FILE}?x", 'x" onerror="y', 7, None]
)
def test_a_picture_is_one_of_ours_or_none(source: object) -> None:
    root = fragment()
    image = block(root, "image", alt="x")
    if source is not None:
        image.attributes["src"] = source
    assert to_html(root) == ""


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", "JaVaScript:x", " javascript:x", "java\nscript:x", "data:text/html,x", "//e.example", ""],
)
def test_addresses_that_do_something_are_no_links(href: str) -> None:
    root = fragment()
    block(root, "paragraph").children.append(XmlText("x")).format(0, 1, {"link": {"href": href}})
    assert to_html(root) == "<p>x</p>"


class Check(HTMLParser):
    """Fails on anything but what minutes are made of."""

    allowed = re.compile("p|h[1-6]|ul|ol|li|blockquote|pre|code|strong|em|s|u|a|img|br|hr|input")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert self.allowed.fullmatch(tag)
        for name, value in attrs:
            assert name in {"href", "rel", "src", "alt", "start", "type", "disabled", "checked"}
            if name == "href":
                assert value is not None and safe_address(value) == value


texts = st.text(max_size=12)
values = st.one_of(texts, st.integers(-9, 9), st.floats(), st.booleans(), st.none())


@given(
    st.lists(
        st.tuples(
            st.one_of(
                texts.filter(bool), st.sampled_from(["paragraph", "heading", "image", "orderedList", "taskItem"])
            ),
            texts,
            st.dictionaries(st.sampled_from(["src", "href", "level", "start", "checked", "alt"]), texts, max_size=3),
            st.dictionaries(st.sampled_from(["bold", "link", "onclick", "link--AAAAAAAA"]), values, max_size=3),
        ),
        max_size=6,
    )
)
def test_no_tree_makes_html_that_does_anything(
    nodes: list[tuple[str, str, dict[str, str], dict[str, object]]],
) -> None:
    root = fragment()
    at: XmlFragment | XmlElement = root
    for tag, text, attributes, marks in nodes:
        at = block(at, tag, text, **attributes)
        if text and marks and "\0" not in text:
            words = at.children[0]
            assert isinstance(words, XmlText)
            known = {name: {"href": value} if name.startswith("link") else {} for name, value in marks.items()}
            try:
                words.format(0, len(text.encode()), known)
            except (ValueError, TypeError):
                pass
    Check().feed(to_html(root))
    to_text(root)
