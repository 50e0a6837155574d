"""What a room tells at a steady beat: who speaks, and how good the connections are."""

from __future__ import annotations

from collections.abc import Iterable

from livekit.protocol.rtc import ConnectionQualityUpdate, SignalResponse, SpeakersChanged

from meeting.sfuserver.room.media import Media
from meeting.sfuserver.room.participant import Participant
from meeting.sfuserver.room.quality import Qualities
from meeting.sfuserver.room.speakers import Speakers

__all__ = ["Pulse"]


class Pulse:
    """Of one room. Hidden participants have no voice and no bars."""

    def __init__(self, media: Media, speaker_interval: float, quality_interval: float, now: float) -> None:
        """Intervals in seconds."""
        self._media = media
        self._speaker_interval = speaker_interval
        self._quality_interval = quality_interval
        self._speakers = Speakers()
        self._speakers_due = now
        self._qualities = Qualities()
        self._qualities_due = now + quality_interval

    def heard(self, participant: Participant, level: int) -> None:
        """The level of a participant's microphone, -dBov."""
        if not participant.hidden:
            self._speakers.heard(participant.sid, level)

    def forget(self, participant: Participant) -> None:
        self._speakers.forget(participant.sid)
        self._qualities.forget(participant.sid)

    def moment(self) -> list[SignalResponse]:
        """For one who joins: who speaks just now, and how good the others' connections are."""
        told = []
        if speakers := self._speakers.active():
            told.append(SignalResponse(speakers_changed=SpeakersChanged(speakers=speakers)))
        if qualities := self._qualities.all():
            told.append(SignalResponse(connection_quality=ConnectionQualityUpdate(updates=qualities)))
        return told

    def beat(self, participants: Iterable[Participant], now: float) -> list[SignalResponse]:
        """What everyone is to hear now; call it a few times a second."""
        told = []
        if now >= self._speakers_due:
            self._speakers_due = now + self._speaker_interval
            if speakers := self._speakers.changes():
                told.append(SignalResponse(speakers_changed=SpeakersChanged(speakers=speakers)))
        if now >= self._qualities_due:
            self._qualities_due = now + self._quality_interval
            self._measure(participants)
            if qualities := self._qualities.changes():
                told.append(SignalResponse(connection_quality=ConnectionQualityUpdate(updates=qualities)))
        return told

    def _measure(self, participants: Iterable[Participant]) -> None:
        for participant in participants:
            if participant.hidden or not participant.active:
                continue
            if participant.away_since is not None:
                self._qualities.away(participant.sid)
            else:
                self._qualities.measured(participant.sid, self._media.health(participant.links))
