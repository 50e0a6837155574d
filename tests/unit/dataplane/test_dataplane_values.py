"""What crosses the seam keeps its shape, and secrets keep out of texts."""

from __future__ import annotations

import dataclasses
import json

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from meeting.dataplane.certificate import make_certificate
from meeting.dataplane.statistics import from_rows
from meeting.dataplane.values import LinkStatistics, SinkStatistics, SourceStatistics


def test_a_certificate_is_p256_fresh_and_valid_now() -> None:
    now = 1_790_000_000.0
    first, second = make_certificate(now), make_certificate(now)
    assert first.key != second.key
    parsed = x509.load_der_x509_certificate(first.certificate)
    key = parsed.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    assert parsed.not_valid_before_utc.timestamp() < now < parsed.not_valid_after_utc.timestamp()


def test_a_certificates_text_does_not_show_its_key() -> None:
    certificate = make_certificate(1_790_000_000.0)
    assert repr(certificate.key)[2:20] not in repr(certificate)


def test_rows_become_statistics_by_id_and_json() -> None:
    links = [(7, *range(len(dataclasses.fields(LinkStatistics))))]
    sources = [(8, *range(len(dataclasses.fields(SourceStatistics))))]
    sinks = [(9, *range(len(dataclasses.fields(SinkStatistics))))]
    snapshot = from_rows((1.5, links, sources, sinks, [("media", 0.25, 10)], [("malformed", 3)]))
    assert snapshot.uptime == 1.5
    assert snapshot.links[7].bytes_received == 1
    assert snapshot.sources[8].link == 0
    assert snapshot.sinks[9].packets == 1
    assert snapshot.threads[0].cpu_seconds == 0.25
    assert snapshot.counters == {"malformed": 3}
    assert json.loads(json.dumps(snapshot.as_json()))["links"]["7"]["packets_received"] == 0
