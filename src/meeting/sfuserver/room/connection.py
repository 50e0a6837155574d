"""One peer connection as seen from signalling: its Link, and how far offer and answer have come."""

from __future__ import annotations

from dataclasses import replace

from meeting.dataplane.interfaces import ILink
from meeting.sfuserver.negotiation.description import Remote
from meeting.sfuserver.negotiation.offer_answer import Transport
from meeting.sfuserver.negotiation.sdp import SdpError
from meeting.sfuserver.room.chance import Chance

__all__ = ["Connection"]


class Connection:
    """A Link with its two descriptions."""

    def __init__(self, link: ILink, transport: Transport, chance: Chance) -> None:
        self.link = link
        self.transport = transport
        self._chance = chance
        self._version = 1
        self._fingerprint: str | None = None
        self._remote_ufrag: str | None = None
        self._restarting = False

    @property
    def described(self) -> bool:
        """Whether the peer's description is known."""
        return self._fingerprint is not None

    def next_version(self) -> int:
        """For the o= line: every description of ours is a new version (RFC 8866 §5.2)."""
        self._version += 1
        return self._version

    def ssrc(self) -> int:
        return self._chance.ssrc()

    def offered(self, remote: Remote) -> None:
        """The peer made an offer: with new ICE credentials it restarts ICE, and so do we, before we answer."""
        self._check(remote)
        if self.described and remote.ufrag != self._remote_ufrag:
            self._new_credentials()
        self.answered(remote)

    def restart(self) -> None:
        """We restart ICE by our next offer (RFC 8445 §9); before the first answer there is nothing to restart."""
        if self.described:
            self._new_credentials()
            self._restarting = True

    def answered(self, remote: Remote) -> None:
        """Take over the peer's description. Raises SdpError, and then nothing has changed."""
        self._check(remote)
        if not self.described:
            try:
                self.link.set_remote(fingerprint=remote.fingerprint, ufrag=remote.ufrag)
            except ValueError as error:
                raise SdpError(f"a=fingerprint cannot be used: {error}") from None
            self._fingerprint = remote.fingerprint
        elif self._restarting or remote.ufrag != self._remote_ufrag:
            self.link.restart_ice(
                ufrag=self.transport.ufrag, password=self.transport.password, remote_ufrag=remote.ufrag
            )
        self._restarting = False
        self._remote_ufrag = remote.ufrag

    def _check(self, remote: Remote) -> None:
        if self.described and remote.fingerprint != self._fingerprint:
            raise SdpError("the certificate's fingerprint changed within a connection")

    def _new_credentials(self) -> None:
        self.transport = replace(self.transport, ufrag=self._chance.text(8), password=self._chance.text(24))
