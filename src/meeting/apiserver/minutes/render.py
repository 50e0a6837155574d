"""The minutes as HTML and as plain text, from the tree that Tiptap keeps in the Yjs document.

Whatever clients wrote into the tree, only the nodes, marks and attributes named here come out, all text escaped,
addresses
only of schemes that run nothing. An unknown node is replaced by what it contains.

The tree: y-tiptap writes a ProseMirror node as an XmlElement named after its type, text as XmlText whose formats are
the marks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape
from typing import Any
from urllib.parse import urlsplit

from pycrdt import XmlElement, XmlFragment, XmlText

_FILE = re.compile(r"/files/[0-9a-f]{32}")
_SCHEMES = ("http", "https", "mailto", "tel")
# Marks that may overlap themselves get a suffix of eight characters (y-tiptap, yattr2markname).
_MARK_SUFFIX = re.compile(r"--[a-zA-Z0-9+/=]{8}$")

_BLOCKS = {
    "paragraph": "p",
    "blockquote": "blockquote",
    "bulletList": "ul",
    "orderedList": "ol",
    "listItem": "li",
    "taskList": "ul",
}
_MARKS = {"bold": "strong", "italic": "em", "strike": "s", "underline": "u", "code": "code"}
_TEXT_BLOCKS = ("paragraph", "heading", "codeBlock")


def to_html(fragment: XmlFragment) -> str:
    """Well-formed HTML without scripts, styles or addresses that do anything."""
    return "".join(_children(fragment))


def _children(node: XmlFragment | XmlElement) -> Iterator[str]:
    for child in node.children:
        if isinstance(child, XmlText):
            for piece, marks in child.diff():
                if isinstance(piece, str):
                    yield _marked(piece, marks or {})
        elif isinstance(child, XmlElement):
            yield _element(child)
        else:
            yield from _children(child)


def _element(node: XmlElement) -> str:
    tag = node.tag or ""
    special = _SPECIAL.get(tag)
    if special is not None:
        return special(node)
    inner = "".join(_children(node))
    name = _BLOCKS.get(tag)
    return f"<{name}>{inner}</{name}>" if name else inner


def _marked(text: str, marks: dict[str, Any]) -> str:
    html = escape(text)
    for name, value in sorted(marks.items()):
        mark = _MARK_SUFFIX.sub("", name)
        if mark in _MARKS:
            html = f"<{_MARKS[mark]}>{html}</{_MARKS[mark]}>"
        elif mark == "link" and isinstance(value, dict):
            href = safe_address(value.get("href"))
            if href is not None:
                html = f'<a href="{escape(href)}" rel="noopener noreferrer nofollow">{html}</a>'
    return html


def safe_address(href: object) -> str | None:
    """An address that opens a page, writes a mail, dials a number, or is one of our files; else None."""
    if not isinstance(href, str) or len(href) > 2000 or any(char <= " " or char == "\x7f" for char in href):
        return None
    if _FILE.fullmatch(href):
        return href
    try:
        scheme = urlsplit(href).scheme.lower()
    except ValueError:
        return None
    return href if scheme in _SCHEMES and href.lower().startswith(f"{scheme}:") else None


def _heading(node: XmlElement) -> str:
    level = min(max(_integer(node, "level", 1), 1), 6)
    return f"<h{level}>{''.join(_children(node))}</h{level}>"


def _ordered_list(node: XmlElement) -> str:
    start = _integer(node, "start", 1)
    opening = "<ol>" if start == 1 else f'<ol start="{start}">'
    return f"{opening}{''.join(_children(node))}</ol>"


def _task_item(node: XmlElement) -> str:
    checked = " checked" if _attribute(node, "checked") in (True, "true") else ""
    return f'<li><input type="checkbox" disabled{checked}> {"".join(_children(node))}</li>'


def _code_block(node: XmlElement) -> str:
    return f"<pre><code>{''.join(_children(node))}</code></pre>"


def _image(node: XmlElement) -> str:
    source = _attribute(node, "src")
    if not isinstance(source, str) or not _FILE.fullmatch(source):
        return ""
    alt = _attribute(node, "alt")
    return f'<img src="{source}" alt="{escape(alt) if isinstance(alt, str) else ""}">'


def _integer(node: XmlElement, name: str, default: int) -> int:
    value = _attribute(node, name)
    try:
        return int(float(value)) if value is not None and abs(float(value)) < 1e6 else default
    except (TypeError, ValueError):
        return default


def _attribute(node: XmlElement, name: str) -> Any:
    return node.attributes.get(name)


_SPECIAL: dict[str, Callable[[XmlElement], str]] = {
    "heading": _heading,
    "orderedList": _ordered_list,
    "taskItem": _task_item,
    "codeBlock": _code_block,
    "image": _image,
    "hardBreak": lambda node: "<br>",
    "horizontalRule": lambda node: "<hr>",
}


def to_text(fragment: XmlFragment) -> str:
    """The words, a line for each paragraph; for mails and for searching."""
    lines: list[str] = []
    _collect(fragment, lines, "")
    return "\n".join(lines)


def _collect(node: XmlFragment | XmlElement, lines: list[str], lead: str) -> None:
    for child in node.children:
        if not isinstance(child, XmlElement):
            continue
        tag = child.tag or ""
        if tag in _TEXT_BLOCKS:
            lines.append(lead + _words(child))
        elif tag == "listItem":
            _collect(child, lines, "  " * lead.count("  ") + "- ")
        elif tag == "taskItem":
            done = _attribute(child, "checked") in (True, "true")
            _collect(child, lines, "  " * lead.count("  ") + ("[x] " if done else "[ ] "))
        elif tag == "image":
            alt = _attribute(child, "alt")
            lines.append(f"{lead}[{alt}]" if isinstance(alt, str) and alt else f"{lead}[…]")
        elif tag == "horizontalRule":
            lines.append("---")
        else:
            _collect(child, lines, lead)


def _words(node: XmlElement) -> str:
    words = []
    for child in node.children:
        if isinstance(child, XmlText):
            words += [piece for piece, _ in child.diff() if isinstance(piece, str)]
        elif isinstance(child, XmlElement):
            words.append("\n" if child.tag == "hardBreak" else _words(child))
    return "".join(words)
