"""What a probe found, as text for a person and JSON for a machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass
class ReceivedTrack:
    """One track of somebody else's."""

    participant: str  # identity
    kind: str  # "audio" | "video"
    first_frame_ms: float | None = None  # since the probe opened its WebSocket
    frames: int = 0
    packets: int = 0
    lost: int = 0
    brightness: float | None = None  # video: mean luma 0…255 of the newest frame
    loudest: int | None = None  # audio: peak sample, 0…32767


@dataclass
class Report:
    """The result of one probe. Times are milliseconds since the WebSocket was opened."""

    sfu: str = ""
    identity: str = ""
    joined_ms: float | None = None
    connected_ms: float | None = None
    path: str = ""  # e.g. "udp host 10.0.0.8 -> 10.0.0.7:40000" or "udp relay …"
    sent_packets: dict[str, int] = field(default_factory=dict)  # kind -> packets
    lost_upstream: dict[str, int] = field(default_factory=dict)  # kind -> packets, as the server reported
    round_trip_ms: float | None = None
    received: list[ReceivedTrack] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Connected, sending, and every track that was announced arrived."""
        sends = all(self.sent_packets.get(kind) for kind in ("audio", "video"))
        arrives = all(track.frames for track in self.received)
        return not self.trouble and self.connected_ms is not None and sends and arrives

    def as_json(self) -> dict[str, object]:
        return {"good": self.good, **asdict(self)}

    def as_text(self) -> str:
        lines = [
            f"sfuserver       {self.sfu}",
            f"joined          {_milliseconds(self.joined_ms)}",
            f"connected       {_milliseconds(self.connected_ms)}   {self.path}",
            f"round trip      {_milliseconds(self.round_trip_ms)}",
        ]
        for kind, packets in self.sent_packets.items():
            lines.append(f"sent {kind:<10} {packets} packets, {self.lost_upstream.get(kind, 0)} lost")
        for track in self.received:
            lines.append(
                f"got  {track.kind:<10} from {track.participant}: {track.frames} frames, "
                f"first after {_milliseconds(track.first_frame_ms)}, {track.packets} packets, {track.lost} lost"
            )
        lines.extend(f"trouble         {text}" for text in self.trouble)
        return "\n".join(lines)


def _milliseconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.0f} ms"
