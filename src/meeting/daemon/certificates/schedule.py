"""When a certificate is ordered, renewed, asked about: a machine. The time goes in, what to do next comes out.

It remembers in a `Diary`, which its owner keeps on disk: neither a restart nor a crash in the middle of an order makes
it forget how often it has asked. All times are Unix seconds. The clock may jump: what lies further ahead than it can
is brought back, so that a wrong clock costs a wait, never a certificate.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
WEEK = 7 * DAY

ORDERS_A_WEEK = 50
"""Let's Encrypt issues 50 a week for one registered domain; whoever has many servers under it shares them."""

FIRST_WAIT = 5 * MINUTE
"""After a failed order. Let's Encrypt refuses further ones after five failed validations of a name within an hour."""
LONGEST_WAIT = 12 * HOUR
FIRST_WAIT_UNREACHABLE = 1 * MINUTE
"""After a failure before the authority was asked for anything: nothing there is used up."""
LONGEST_WAIT_UNREACHABLE = 1 * HOUR

ASK_EVERY = 6 * HOUR
"""Between two questions for the renewal window, if the authority does not say (RFC 9773, section 4.3.3)."""
SHORTEST_ASK, LONGEST_ASK = 1 * MINUTE, 1 * DAY


class Do(Enum):
    """What is to be done."""

    ORDER = "order a certificate"
    ASK = "ask when to renew"
    WAIT = "wait"


@dataclass(frozen=True)
class Step:
    """The next thing to do; for `Do.WAIT`, until `at`."""

    do: Do
    at: float


@dataclass(frozen=True)
class Life:
    """The certificate at hand: who it is (any text that another one does not have), from when, until when."""

    identity: str
    begin: float
    end: float


@dataclass
class Diary:
    """What has to be remembered."""

    orders: list[float] = field(default_factory=list)
    """When orders were begun, during the last week."""
    failures: int = 0
    """In a row."""
    patience: float = 0.0
    """Until then the authority wants to hear nothing."""
    not_before: float = 0.0
    """No attempt before this moment."""
    trouble: str = ""
    """Why the last attempt failed; empty when it did not."""
    identity: str = ""
    """The certificate that the next three are about."""
    window: tuple[float, float] | None = None
    renew_at: float | None = None
    ask_at: float = 0.0


class Schedule:
    """Decides. `random` gives numbers from 0 to 1."""

    def __init__(self, diary: Diary, random: Callable[[], float], weekly: int = ORDERS_A_WEEK) -> None:
        self.diary = diary
        self._random = random
        self._weekly = weekly

    def next(self, life: Life | None, now: float) -> Step:
        """What to do now. `life`: the certificate in use, None when there is none that serves."""
        self._tidy(now)
        diary = self.diary
        if life is None or now >= life.end:
            return self._order_from(now)
        if diary.identity != life.identity:
            diary.identity, diary.window, diary.renew_at, diary.ask_at = life.identity, None, None, 0.0
        due = self.renewal(life)
        if now >= due:
            order = self._order_from(now)
            if order.do is Do.ORDER:
                return order
            due = order.at
        if now >= diary.ask_at:
            return Step(Do.ASK, now)
        return Step(Do.WAIT, min(due, diary.ask_at, life.end))

    def renewal(self, life: Life) -> float:
        """When `life` is to be renewed: when the authority wished, else at two thirds.

        Its wish is followed from the end of the first day (an authority that wishes each new certificate replaced at
        once would get all the orders of a week in a minute) to nine tenths.
        """
        whole = life.end - life.begin
        if self.diary.identity == life.identity and self.diary.renew_at is not None:
            first_day = min(DAY, whole / 6)
            return min(max(self.diary.renew_at, life.begin + first_day), life.begin + whole * 0.9)
        return life.begin + whole * 2 / 3

    def order_begins(self, now: float) -> None:
        """Counted before it is sent, and waited for as if it had failed: a crash must not become a hail of orders."""
        self.diary.orders.append(now)
        self.diary.not_before = now + FIRST_WAIT

    def order_worked(self) -> None:
        """A certificate is there."""
        diary = self.diary
        diary.failures, diary.not_before, diary.patience, diary.trouble = 0, 0.0, 0.0, ""

    def restarted(self) -> None:
        """Somebody may have put right what was wrong: the long waits begin anew, what the authority asked for stays."""
        diary = self.diary
        soonest = max([order + FIRST_WAIT for order in diary.orders], default=0.0)
        diary.not_before = min(diary.not_before, max(soonest, diary.patience))

    def order_failed(self, now: float, trouble: str, *, retry_after: float | None, unreachable: bool) -> None:
        """`retry_after`: seconds that the authority asks for. `unreachable`: no order was placed, none counts."""
        diary = self.diary
        if unreachable and diary.orders:
            diary.orders.pop()
        first, longest = (
            (FIRST_WAIT_UNREACHABLE, LONGEST_WAIT_UNREACHABLE) if unreachable else (FIRST_WAIT, LONGEST_WAIT)
        )
        wait = min(first * 2 ** min(diary.failures, 20), longest) * (1 + self._random() / 4)
        if retry_after is not None:
            # Everybody who was told the same moment does not come at that moment.
            wait = max(wait, min(retry_after, WEEK) + self._random() * MINUTE)
            diary.patience = now + wait
        diary.failures += 1
        diary.trouble = trouble
        diary.not_before = now + wait

    def window_heard(self, life: Life, window: tuple[float, float] | None, retry_after: float, now: float) -> None:
        """The authority's wish (RFC 9773): a random moment in the window, chosen once for each window."""
        diary = self.diary
        if window is None:
            diary.window, diary.renew_at = None, None
        elif window != diary.window or diary.renew_at is None:
            begin, end = window
            diary.window, diary.renew_at = window, begin + self._random() * max(0.0, end - begin)
        diary.identity = life.identity
        diary.ask_at = now + min(max(retry_after, SHORTEST_ASK), LONGEST_ASK)

    def window_failed(self, now: float) -> None:
        """It could not be heard; what was heard before stays."""
        self.diary.ask_at = now + ASK_EVERY

    def _order_from(self, now: float) -> Step:
        at = self.diary.not_before
        if len(self.diary.orders) >= self._weekly:
            at = max(at, sorted(self.diary.orders)[-self._weekly] + WEEK)
        return Step(Do.ORDER, now) if now >= at else Step(Do.WAIT, at)

    def _tidy(self, now: float) -> None:
        diary = self.diary
        diary.orders = [min(order, now) for order in diary.orders if order > now - WEEK]
        diary.not_before = min(diary.not_before, now + WEEK + MINUTE)
        diary.patience = min(diary.patience, now + WEEK + MINUTE)
        diary.ask_at = min(diary.ask_at, now + LONGEST_ASK)
