"""The tables of the allocateserver's file: what they become, and what is wrong with them in words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meeting.allocateserver.configuration import configuration
from meeting.allocateserver.pool import Sfu
from meeting.allocateserver.values import Budget, Group, Patience

MACHINES: dict[str, Any] = {"provisioner": "local"}
ON_DEMAND: dict[str, Any] = {"scheme": "on-demand", "addresses": "{n}.sfu.test:443", "count": 2}


def test_tables_become_servers() -> None:
    one = {"address": "1.sfu:443", "turn": "1.2.3.4:3478", "use": "scheduled", "meetings": 3}
    tables = configuration({"sfu": [one, {"address": "2.sfu:443"}], "fs": [{"address": "fs:443"}]})
    assert tables.sfus == (Sfu("1.sfu:443", "1.2.3.4:3478", "scheduled", 3), Sfu("2.sfu:443"))
    assert tables.fs == ("fs:443",)


@pytest.mark.parametrize(
    ("sfu", "fs", "says"),
    [
        ("x", [], "write a [[sfu]] table"),
        ([1], [], "write a [[sfu]] table"),
        ([], {"address": "a:1"}, "write a [[fs]] table"),
        ([{}], [], "[[sfu]] 1: address: write host:port"),
        ([{"address": "a:1"}, {"address": "b"}], [], "[[sfu]] 2: address"),
        ([{"address": "a:1", "turn": "b"}], [], "[[sfu]] 1: turn"),
        ([{"address": "a:1", "use": "all"}], [], "'scheduled', 'instant' or 'any'"),
        ([{"address": "a:1", "meetings": 0}], [], "meetings: Input should be greater than or equal to 1"),
        ([{"address": "a:1", "meetings": True}], [], "meetings: Input should be a valid integer"),
        ([{"address": "a:1", "adress": ""}], [], "unknown key 'adress'"),
        ([{"address": "a:1"}, {"address": "a:1"}], [], "a:1 twice"),
        ([], [{"address": 5}], "[[fs]] 1: address"),
    ],
)
def test_a_bad_table_says_what_to_write(sfu: object, fs: object, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        configuration({"sfu": sfu, "fs": fs})
    assert says in str(caught.value)


def test_a_kind_on_demand_becomes_a_group() -> None:
    kind = {**ON_DEMAND, "first": 7, "turn": "1.2.3.4:3478", "ips": ["192.0.2.7", "192.0.2.8"], "before": "1h"}
    tables = configuration({"scheduled": {**kind, "after": "90m", "spares": 1}, "machines": MACHINES})
    addresses = ("7.sfu.test:443", "8.sfu.test:443")
    group = Group("scheduled", addresses, "1.2.3.4:3478", ("192.0.2.7", "192.0.2.8"), 3600, 5400, 10_800, 1)
    assert tables.kinds["scheduled"].group("scheduled") == group
    assert tables.kinds["scheduled"].number("8.sfu.test:443") == 8
    assert "instant" not in tables.kinds


def test_what_machines_may_cost_and_how_long_they_may_take() -> None:
    machines = {**MACHINES, "price": 0.8, "mostPerDay": 50, "startWithin": "5m", "look": "2s"}
    tables = configuration({"instant": ON_DEMAND, "machines": machines})
    assert tables.machines is not None
    assert tables.machines.budget == Budget(0.8, 50.0, None)
    assert tables.machines.patience == Patience(start=300, look=2)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"scheduled": ON_DEMAND}, "write a table [machines]"),
        ({"machines": MACHINES}, '[machines] is for a scheme = "on-demand"'),
        ({"scheduled": {"scheme": "cloud"}}, "'pool' or 'on-demand'"),
        ({"scheduled": {"spares": 1}}, 'only with scheme = "on-demand"'),
        ({"scheduled": {"scheme": "on-demand"}}, "write addresses"),
        ({"instant": {**ON_DEMAND, "addresses": "sfu.test:443"}}, "{n} stands for the number"),
        ({"instant": {**ON_DEMAND, "addresses": "{n}.sfu.test"}}, "write host:port"),
        ({"instant": {**ON_DEMAND, "count": 0}}, "count"),
        ({"instant": {**ON_DEMAND, "spares": 3}}, "more spares than addresses"),
        ({"instant": {**ON_DEMAND, "ips": ["192.0.2.1"]}}, "as many ips as addresses: 2"),
        ({"instant": {**ON_DEMAND, "unused": "long"}}, "write a time such as"),
        ({"instant": {**ON_DEMAND, "spare": 1}}, "unknown key 'spare'"),
        ({"instant": [ON_DEMAND]}, "write [instant] as a table"),
        ({"instant": ON_DEMAND, "scheduled": ON_DEMAND, "machines": MACHINES}, "1.sfu.test:443 twice"),
        ({"instant": ON_DEMAND, "machines": {}}, "write a table [machines]"),
        ({"instant": ON_DEMAND, "machines": {"price": 1}}, "provisioner: is needed"),
        ({"instant": ON_DEMAND, "machines": {"provisioner": "libcloud"}}, "write a table [machines.libcloud]"),
        ({"instant": ON_DEMAND, "machines": {**MACHINES, "mostPerDay": 5}}, "write price"),
        ({"instant": ON_DEMAND, "machines": {**MACHINES, "price": float("inf")}}, "price"),
        ({"instant": ON_DEMAND, "machines": {**MACHINES, "look": "2m"}}, "between 1s and 60s"),
        ({"instant": ON_DEMAND, "machines": {**MACHINES, "libcloud": {"provider": "gce"}}}, "size: is needed"),
    ],
)
def test_a_scheme_that_cannot_be_says_what_to_write(tables: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError) as caught:
        configuration(tables)
    assert says in str(caught.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(["scheme", "addresses", "count", "first", "ips", "turn", "before", "spares", "address", "use"])


@given(
    st.dictionaries(
        st.sampled_from(["sfu", "fs", "scheduled", "instant", "machines"]), _JSON | st.dictionaries(_KEYS, _JSON)
    )
)
def test_whatever_stands_in_the_tables_is_understood_or_refused_in_words(tables: dict[str, Any]) -> None:
    try:
        configuration(tables)
    except ValueError as error:
        assert "\n" not in str(error).strip()
