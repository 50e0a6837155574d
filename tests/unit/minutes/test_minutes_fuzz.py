"""Whatever bytes arrive: the hub lives, the sender alone is sent away, and honest edits always pass."""

from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from meeting.apiserver.minutes.frames import SyncType, sync_frame
from meeting.apiserver.minutes.sync import Document
from meeting.apiserver.minutes.updates import BadUpdate, History, check_state_vector, read_update
from tests.unit.minutes.yclient import Client, Table

# (client, what, where): where is reduced to a place that exists.
edits = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 1000)), max_size=40)


def edit(client: Client, what: int, where: int) -> None:
    """One random change of the kind an editor makes."""
    children = client.fragment.children
    blocks = [child for child in children if isinstance(child, XmlElement)]
    block = blocks[where % len(blocks)] if blocks else None
    if what == 0 or block is None:
        client.write(f"p{where}")
    elif what == 1:
        children.insert(where % (len(children) + 1), XmlElement("heading"))
    elif what == 2:
        del children[where % len(children)]
    elif what == 3:
        text = block.children.append(XmlText("née 🙂"))
        text.format(0, 3, {"bold": {}})
    elif what == 4:
        inner = block.children.append(XmlElement("listItem"))
        inner.children.append(XmlText("deeper"))
    else:
        block.attributes["checked"] = "true"


@settings(max_examples=60, deadline=None)
@given(edits, st.integers(1, 5))
def test_honest_edits_pass_and_all_converge(changes: list[tuple[int, int, int]], pace: int) -> None:
    table = Table()
    clients = [table.sit(number) for number in range(3)]
    for count, (who, what, where) in enumerate(changes):
        edit(clients[who], what, where)
        if count % pace == 0:
            table.turn()
    table.turn()
    assert all(client.close_code is None for client in clients)
    assert clients[0].text == clients[1].text == clients[2].text
    assert Table(Document.load(table.rows)).sit(9).text == clients[0].text


def update_of(changes: list[tuple[int, int, int]]) -> bytes:
    """An update with what these edits leave."""
    table = Table()
    for number in range(3):
        table.sit(number)
    for who, what, where in changes:
        edit(table.clients[who], what, where)
        table.turn()
    return table.clients[0].doc.get_update()


@settings(max_examples=300, deadline=None)
@given(edits, st.data())
def test_a_damaged_update_disturbs_nobody(changes: list[tuple[int, int, int]], data: st.DataObject) -> None:
    damaged = bytearray(update_of(changes))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        how = data.draw(st.integers(0, 2))
        if how == 0:
            damaged[at] = data.draw(st.integers(0, 255))
        elif how == 1:
            damaged[at:at] = data.draw(st.binary(max_size=6))
        elif len(damaged) > 1:
            del damaged[at]
    table = Table()
    bystander = table.sit(1)
    table.sit(2)
    table.do(table.document.receive(2, sync_frame(SyncType.UPDATE, bytes(damaged))))
    assert bystander.close_code is None
    bystander.write("undisturbed")
    table.turn()
    assert bystander.close_code is None
    assert "undisturbed" in table.sit(3).text
    assert "undisturbed" in Table(Document.load(table.rows)).sit(4).text


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_harmless(data: bytes) -> None:
    table = Table()
    table.sit(1)
    table.do(table.document.receive(1, data))
    assert not table.document.is_over
    for parse in (read_update, check_state_vector, History().news):
        try:
            parse(data)
        except BadUpdate:
            pass


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=120))
def test_what_passes_is_never_too_much_for_the_library(data: bytes) -> None:
    try:
        History().news(data)
    except BadUpdate:
        return
    doc: Doc[XmlFragment] = Doc()
    try:
        doc.apply_update(data)
    except ValueError:
        return
    str(doc.get("default", type=XmlFragment))
    doc.get_update()
