"""Several addresses of one database: the next one when a node fails, back to the first when it works again."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from meeting.apiserver.database.nodes import FIRST_REST, LONGEST_REST, Nodes
from meeting.daemon.converters import HostPort

A, B, C = (HostPort(f"10.0.0.{n}", 3306) for n in (1, 2, 3))


class Watch:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_first_is_preferred_and_the_next_takes_its_place() -> None:
    nodes = Nodes([A, B, C], Watch())
    assert nodes.order() == [A, B, C]
    nodes.failed(A)
    assert nodes.order() == [B, C, A]
    nodes.failed(B)
    assert nodes.order() == [C, A, B], "those that failed are the last resort, the one that failed first before"
    assert nodes.is_best(C)


def test_a_node_that_rested_is_tried_by_one_caller_only() -> None:
    watch = Watch()
    nodes = Nodes([A, B], watch)
    nodes.failed(A)
    assert nodes.is_best(B)
    watch.now += FIRST_REST
    assert not nodes.is_best(B)
    assert nodes.order() == [A, B]
    assert nodes.order() == [B, A], "the first caller is still finding out"
    nodes.worked(A)
    assert nodes.order() == [A, B] and not nodes.is_best(B)


def test_a_node_that_stays_away_is_tried_ever_more_rarely() -> None:
    watch = Watch()
    nodes = Nodes([A, B], watch)
    nodes.failed(A)
    tried = []
    for _ in range(3600):
        watch.now += 1
        if nodes.order()[0] == A:
            tried.append(watch.now)
            nodes.failed(A)
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses[:3] == [10, 20, 40] and pauses[-1] == LONGEST_REST


def test_many_threads_that_see_one_failure_are_one_failure() -> None:
    watch = Watch()
    nodes = Nodes([A, B], watch)
    for _ in range(8):
        nodes.failed(A)
    watch.now += FIRST_REST
    assert nodes.order() == [A, B]


@given(
    st.lists(st.tuples(st.sampled_from(["order", "failed", "worked", "wait"]), st.sampled_from([A, B, C])), max_size=60)
)
def test_everybody_is_always_somewhere_in_the_order(steps: list[tuple[str, HostPort]]) -> None:
    watch = Watch()
    nodes = Nodes([A, B, C], watch)
    for what, node in steps:
        if what == "wait":
            watch.now += 7
        elif what == "order":
            assert sorted(nodes.order()) == [A, B, C]
        else:
            getattr(nodes, what)(node)
        assert any(nodes.is_best(each) for each in (A, B, C))
