"""Looks at the TLS files before anything is served: what is wrong is said at the start and not at every handshake."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

from slotwise.errors import OperatorError

WARN_DAYS = 14.0
"""A certificate that ends within this time is named at the start."""


def check_certificate(certificate: Path, key: Path) -> None:
    """Raises OperatorError where they cannot serve: not readable, not a pair, with a passphrase, or a key that others
    may read."""
    for path, option in ((certificate, "--tls-cert"), (key, "--tls-key")):
        try:
            path.read_bytes()
        except OSError as error:
            raise OperatorError(f"{path} cannot be read: {error.strerror or error}", f"check {option}") from error
    if key.stat().st_mode & 0o007:
        raise OperatorError(f"others may read the key {key}", f"chmod 640 {key}")

    def no_passphrase() -> str:
        raise OperatorError(
            f"the key {key} is locked with a passphrase", f"openssl pkey -in {key} -out FILE writes one without"
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        raise OperatorError(
            f"{certificate} and {key} are no certificate and key, or do not belong together: {error}",
            "give the certificate (PEM, the server's own first) and its own key",
        ) from error


def warning(certificate: Path, key: Path, now: float) -> str | None:
    """What people should know of the certificate's time at ``now`` (epoch seconds); None where nothing is near."""
    try:
        left = (_ends_at(certificate, key) - now) / 86400
    except ssl.SSLCertVerificationError as error:
        return f"clients that verify the certificate {certificate} will refuse it: {error.verify_message}"
    return f"the certificate {certificate} ends in {left:.1f} days: renew it and restart" if left < WARN_DAYS else None


def _ends_at(certificate: Path, key: Path) -> float:
    """When the certificate ends (epoch seconds), read by a handshake in memory with a client that trusts just it.

    Raises SSLCertVerificationError where even that client refuses it: it has ended, or has not begun.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking, answering = client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)
    shown: object = None
    while not shown:
        for side in (asking, answering):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
        with suppress(ValueError):
            # Its handshake is not done yet.
            shown = (asking.getpeercert() or {}).get("notAfter")
    return ssl.cert_time_to_seconds(str(shown))
