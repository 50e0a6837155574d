"""Who speaks, as the clients are told."""

from __future__ import annotations

from meeting.sfuserver.room.speakers import Speakers
from tests.unit.sfuserver.clients import World


def test_a_voice_is_told_once_until_it_changes_or_ends() -> None:
    speakers = Speakers()
    speakers.heard("PA_1", 10)
    (first,) = speakers.changes()
    assert first.active and 0 < first.level <= 1
    told = []
    for _ in range(20):
        speakers.heard("PA_1", 10)
        told += speakers.changes()
    assert len(told) <= 2
    assert [speaker.sid for speaker in speakers.active()] == ["PA_1"]
    ends = [speaker for _ in range(20) for speaker in speakers.changes()]
    assert not ends[-1].active and ends[-1].level == 0
    assert speakers.active() == speakers.changes() == []


def test_a_gap_between_syllables_is_no_end() -> None:
    speakers = Speakers()
    for _ in range(5):
        speakers.heard("PA_1", 5)
        speakers.changes()
    assert all(speaker.active for speaker in speakers.changes())


def test_noise_is_not_speaking() -> None:
    speakers = Speakers()
    speakers.heard("PA_1", 60)
    assert speakers.changes() == []


def test_the_loudest_comes_first() -> None:
    speakers = Speakers()
    speakers.heard("PA_quiet", 30)
    speakers.heard("PA_loud", 2)
    assert [speaker.sid for speaker in speakers.changes()] == ["PA_loud", "PA_quiet"]


def test_the_room_hears_its_speakers_and_a_muted_track_is_none() -> None:
    world = World()
    anna, bert = world.join("anna"), world.join("bert")
    anna.connect()
    sid = anna.publish("mic", "audio")
    (source,) = anna.receiving.sources
    world.port.listener.audio_levels([(source, 8)])
    world.advance(0.5)
    (speaker,) = bert.last("speakers_changed").speakers
    assert speaker.sid == anna.participant.sid and speaker.active
    late = world.join("clara", settle=False)
    assert late.names()[:2] == ["join", "speakers_changed"]
    world.advance(5)
    assert not bert.last("speakers_changed").speakers[0].active
    anna.participant.tracks[sid].info.muted = True
    bert.forget()
    world.port.listener.audio_levels([(source, 8)])
    world.advance(1)
    assert not bert.got("speakers_changed")
