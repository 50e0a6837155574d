"""Who gets which track: wishes, grants and the publishers' own rules, brought together."""

from __future__ import annotations

from collections.abc import Iterable

from livekit.protocol.models import SubscriptionError
from livekit.protocol.rtc import (
    SignalResponse,
    SubscriptionPermissionUpdate,
    SubscriptionResponse,
    TrackSubscribed,
)

from meeting.sfuserver.room.participant import Participant
from meeting.sfuserver.room.subscription import Subscription
from meeting.sfuserver.room.track import Track

__all__ = ["Distribution"]


class Distribution:
    """One room's subscriptions. Changes are collected; `negotiate` says them to those concerned."""

    def __init__(self) -> None:
        self._concerned: dict[str, Participant] = {}
        self._told: set[str] = set()
        """Tracks whose publisher knows that somebody has it."""

    @property
    def waiting(self) -> bool:
        return bool(self._concerned)

    def reconcile(self, subscriber: Participant, publisher: Participant, tracks: Iterable[Track]) -> None:
        """Give the subscriber these tracks, or take them away, as wishes and permissions now stand."""
        if subscriber is publisher:
            return
        for track in tracks:
            allowed = publisher.rules.allow(sid=subscriber.sid, identity=subscriber.identity, track_sid=track.sid)
            wanted = subscriber.wants(track.sid)
            self._tell_allowed(subscriber, publisher, track, wanted=wanted, allowed=allowed)
            has = track.sid in subscriber.subscriptions
            if wanted and allowed and not has:
                self._give(subscriber, publisher, track)
            elif has and not (wanted and allowed):
                self.take(subscriber, track.sid)

    def take(self, subscriber: Participant, track_sid: str) -> None:
        subscription = subscriber.subscriptions.pop(track_sid, None)
        if subscription is not None:
            subscriber.downstream.remove(subscription)
            subscription.close()
            self._concerned[subscriber.sid] = subscriber

    def withdraw(self, track: Track, participants: Iterable[Participant]) -> None:
        """The track ended: nobody has it any more."""
        self._told.discard(track.sid)
        for subscriber in participants:
            self.take(subscriber, track.sid)
            subscriber.declined.discard(track.sid)
            subscriber.choices.pop(track.sid, None)

    def unsupported(self, subscriber: Participant, subscription: Subscription) -> None:
        """The subscriber's client cannot decode it: say so, and do not try again."""
        sid = subscription.track.sid
        subscriber.choices[sid] = False
        subscriber.subscriptions.pop(sid, None)
        subscription.close()
        response = SubscriptionResponse(track_sid=sid, err=SubscriptionError.SE_CODEC_UNSUPPORTED)
        subscriber.send(SignalResponse(subscription_response=response))

    def left(self, participant: Participant) -> None:
        self._concerned.pop(participant.sid, None)

    def negotiate(self, now: float) -> None:
        concerned, self._concerned = self._concerned, {}
        for participant in concerned.values():
            participant.downstream.negotiate(now)

    def _give(self, subscriber: Participant, publisher: Participant, track: Track) -> None:
        subscription = Subscription(track, publisher.sid, subscriber.sid)
        subscriber.subscriptions[track.sid] = subscription
        subscriber.downstream.add(subscription)
        self._concerned[subscriber.sid] = subscriber
        if track.sid not in self._told:
            self._told.add(track.sid)
            publisher.send(SignalResponse(track_subscribed=TrackSubscribed(track_sid=track.sid)))

    def _tell_allowed(
        self, subscriber: Participant, publisher: Participant, track: Track, *, wanted: bool, allowed: bool
    ) -> None:
        """Once when it is refused, once when it no longer is."""
        declined = track.sid in subscriber.declined
        if allowed == (not declined) or not (wanted or declined):
            return
        if allowed:
            subscriber.declined.discard(track.sid)
        else:
            subscriber.declined.add(track.sid)
        update = SubscriptionPermissionUpdate(participant_sid=publisher.sid, track_sid=track.sid, allowed=allowed)
        subscriber.send(SignalResponse(subscription_permission_update=update))
