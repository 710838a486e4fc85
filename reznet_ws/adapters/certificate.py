"""A certificate that a browser takes by its hash, for WebTransport without an authority.

In: the host's name. Out: a certificate and its key, in memory alone.
Never: writes a file.

Browsers take one by its hash only with an ECDSA key on P-256 and for at most 14 days (W3C WebTransport,
`serverCertificateHashes`, "custom certificate requirements").
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

# 14 days are allowed, from its first second to its last; it begins an hour ago, since clocks differ.
_VALID = timedelta(days=13)
_EARLIER = timedelta(hours=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key; `expires` is when a browser takes it no longer."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    expires: datetime

    @property
    def sha256(self) -> bytes:
        """What `serverCertificateHashes` asks for, 32 bytes."""
        return self.certificate.fingerprint(hashes.SHA256())


def make_certificate(host: str, now: datetime | None = None) -> Certificate:
    """A new certificate for a host, valid for 13 days."""
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    expires = now - _EARLIER + _VALID
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(expires)
        .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(certificate, key, expires)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
