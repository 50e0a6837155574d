"""Run by test_turn_icmp.py on a loopback of its own, through which no more than 1,300 bytes go in one piece."""

from meeting.stun import AttributeType, Message
from tests.integration.turnserver.test_turn_icmp import indicate, permitted
from tests.support.deadlines import deadline
from tests.support.turnserver import client, credential, echo, turnserver

WHOLE = (AttributeType.DONT_FRAGMENT, b"")


@deadline(30)
async def test_what_is_too_long_goes_in_pieces_but_not_where_that_is_ruled_out() -> None:
    async with turnserver() as server, echo() as (_, port), client(server, credential(servers=[port])) as sender:
        await permitted(sender, port)
        indicate(sender, port, b"short", WHOLE)
        assert Message.parse(await sender.hear()).get(AttributeType.DATA) == b"short"
        indicate(sender, port, bytes(2000), WHOLE)
        indicate(sender, port, bytes(1900))
        assert Message.parse(await sender.hear()).get(AttributeType.DATA) == bytes(1900)
        # Counted at the end of the turn that sent; another answer means that it is over.
        assert await sender.is_served()
        assert server.relay.counters().dropped["not_sent"] == 1
