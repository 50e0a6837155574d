"""The people of a made-up year: they schedule, move and cancel meetings, open instant ones, come, stay on and leave."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.support.year_world import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from tests.support.year import Year

#: The allocateserver's own, where its file does not say otherwise: a machine is there before and after its meeting.
BEFORE = AFTER = 2 * HOUR


class ScheduledMeeting:
    """A scheduled meeting, from its making to its last participant."""

    def __init__(self, year: Year, email: str, begin: int, end: int) -> None:
        self.year, self.world = year, year.world
        self.email, self.begin, self.end = email, begin, end
        self.promised = ""
        self.over = False
        self.ahead = False
        self.asking = False
        self.waited = False

    def make(self) -> None:
        """What a hub does: asks, and asks again until it has a promise."""
        self.world.counts["scheduled meetings"] += 1
        self.ask()
        random = self.world.random
        if random.random() < 0.1 and self.begin - self.world.now > HOUR:
            self.world.at(random.uniform(self.world.now, self.begin - HOUR), self.move)
        self.world.at(self.begin, self.come)

    def ask(self) -> None:
        if self.over or self.promised or self.world.now > self.end:
            return
        answer = self.year.ask("GET", self.email, self.begin, self.end)
        if answer is not None and answer.status == 200:
            self.promised = answer.json["sfu"]
            held_from = max(self.begin - BEFORE, int(self.world.now))
            self.ahead = self.begin - BEFORE > self.world.now
            self.year.released(self.email)  # elsewhere, when its machine did not come
            self.year.held(held_from, self.end + AFTER, self.promised, self.email)
            return
        if answer is not None:
            self.year.told_to_wait("scheduled", answer, again=self.waited)
            self.waited = True
        if not self.asking:  # one at a time, whoever else asks meanwhile
            self.asking = True
            self.world.at(self.world.now + (int(answer.headers["Retry-After"]) if answer else 5), self.ask_again)

    def ask_again(self) -> None:
        self.asking = False
        self.ask()

    def move(self) -> None:
        """Cancelled, or moved: what was promised is given back."""
        if self.year.ask("DELETE", self.email, self.begin, self.end) is None:
            self.world.at(self.world.now + 5, self.move)
            return
        self.world.counts["given back"] += 1
        self.year.released(self.email)
        self.over = True
        if self.world.random.random() < 0.5:
            later = self.world.random.choice([HOUR, DAY])
            ScheduledMeeting(self.year, self.email + "m", self.begin + later, self.end + later).make()

    def come(self) -> None:
        """People join where they were told to, as soon as it is there."""
        if self.over or self.world.now > self.end:
            return
        vm = self.world.at_address(self.promised) if self.promised else None
        if vm is None:
            if self.promised and self.ahead and self.world.now < self.begin + 1:
                self.world.trouble(f"{self.promised} is not there at the begin of {self.email}")
            self.promised = ""
            if not self.asking:
                self.ask()
            self.world.at(self.world.now + 5, self.come)
            return
        if vm.people:
            self.world.trouble(f"{self.email} meets {vm.people} at {vm.address}")
        vm.people.add(self.email)
        self.world.counts["scheduled meetings held"] += 1
        overtime = self.world.random.choice([-5, 0, 5, 30]) * MINUTE
        if self.world.random.random() < 0.05:
            overtime = AFTER + HOUR
        self.world.at(self.end + overtime, lambda: vm.people.discard(self.email))


class InstantMeeting:
    """An owner opens their instant meeting."""

    def __init__(self, year: Year, email: str) -> None:
        self.year, self.world, self.email = year, year.world, email
        self.waited = False

    def open(self) -> None:
        self.world.counts["instant meetings"] += 1
        self.join()

    def join(self) -> None:
        answer = self.year.ask("GET", self.email, 0, 0)
        if answer is None or answer.status != 200:
            if answer is not None:
                self.year.told_to_wait("instant", answer, again=self.waited)
                self.waited = True
            self.world.at(self.world.now + (int(answer.headers["Retry-After"]) if answer else 5), self.join)
            return
        vm = self.world.at_address(answer.json["sfu"])
        if vm is None:  # it broke between two looks at the hub
            self.world.at(self.world.now + 5, self.join)
            return
        if vm.people - {self.email}:
            self.world.trouble(f"{self.email} meets {vm.people} at {vm.address}")
        vm.people.add(self.email)
        self.world.counts["instant meetings held"] += 1
        stays = self.world.random.choice([10 * MINUTE, HOUR, 2 * HOUR, 7 * HOUR])
        self.world.at(self.world.now + stays, lambda: vm.people.discard(self.email))


def poisson(random: Random, mean: float) -> int:
    count, product = 0, random.random()
    limit = 2.718281828459045**-mean
    while product > limit:
        count += 1
        product *= random.random()
    return count
