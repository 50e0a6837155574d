"""Who did something and from where, as the audit log has it."""

from meeting.apiserver.accounts.people import Caller
from meeting.apiserver.audit.use_cases import NOBODY, Actor, ActorKind, Origin
from meeting.daemon.call import Call


def origin_of(call: Call) -> Origin:
    """Who did it and from where."""
    return Origin(_actor(call), call.client_address, call.id)


def _actor(call: Call) -> Actor:
    caller = call.caller
    if not isinstance(caller, Caller):
        return NOBODY
    if caller.person is not None:
        return Actor(ActorKind.TOKEN if caller.token_id else ActorKind.PERSON, caller.person.id)
    return NOBODY if caller.guest is None else Actor(ActorKind.GUEST, caller.guest.id)
