"""What a participant may do: read from the grants of its token, enforced here and nowhere guessed.

Which role gets which grants is the hub's business; the sfuserver only enforces them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from livekit.protocol.models import ParticipantPermission, TrackSource
from livekit.protocol.rtc import SubscriptionPermission

__all__ = ["SubscriptionRules", "may_publish", "permission_from_grants", "subscription_rules"]


def permission_from_grants(grants: Mapping[str, Any]) -> ParticipantPermission:
    """LiveKit's video grants (camelCase, as in the token) as the permission the protocol shows.

    What is absent is allowed for publishing, subscribing and data, and not allowed for everything else.
    """
    sources = grants.get("canPublishSources") or []
    names = [str(source).upper() for source in sources] if isinstance(sources, list) else []
    return ParticipantPermission(
        can_subscribe=_granted(grants, "canSubscribe", default=True),
        can_publish=_granted(grants, "canPublish", default=True),
        can_publish_data=_granted(grants, "canPublishData", default=True),
        can_publish_sources=[name for name in names if name in dict(TrackSource.items())],
        can_update_metadata=_granted(grants, "canUpdateOwnMetadata", default=False),
        hidden=_granted(grants, "hidden", default=False),
        recorder=_granted(grants, "recorder", default=False),
        agent=_granted(grants, "agent", default=False),
    )


def may_publish(permission: ParticipantPermission, source: TrackSource) -> bool:
    """Whether a track of this source may be published; with a list of sources, only those."""
    if not permission.can_publish:
        return False
    return not permission.can_publish_sources or source in permission.can_publish_sources


@dataclass(frozen=True, slots=True)
class SubscriptionRules:
    """Who may subscribe to one publisher's tracks, as that publisher said last."""

    everyone: bool = True
    all_tracks: frozenset[str] = frozenset()
    """Identities and sids that may have every track."""
    tracks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Identity or sid → the sids of the tracks it may have."""

    def allow(self, *, sid: str, identity: str, track_sid: str) -> bool:
        if self.everyone or sid in self.all_tracks or identity in self.all_tracks:
            return True
        return any(track_sid in self.tracks.get(name, ()) for name in (sid, identity))


def subscription_rules(message: SubscriptionPermission) -> SubscriptionRules:
    names = [(entry.participant_identity or entry.participant_sid, entry) for entry in message.track_permissions]
    return SubscriptionRules(
        everyone=message.all_participants,
        all_tracks=frozenset(name for name, entry in names if entry.all_tracks),
        tracks={name: frozenset(entry.track_sids) for name, entry in names if not entry.all_tracks},
    )


def _granted(grants: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = grants.get(name, default)
    return value if isinstance(value, bool) else default
