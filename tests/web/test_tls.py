"""TLS and who may come in, over a real socket with the running command; the certificates are made here."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from slotwise.demo.postgres_server import PostgresServer, free_port
from slotwise.errors import OperatorError
from slotwise.web.tls import check_certificate, warning
from tests.servers import until

TOKEN = "a-token-of-this-test-only"


def certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    found, key = directory / "cert.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
               "-keyout", str(key), "-out", str(found)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o600)
    return found, key


def ended(directory: Path) -> tuple[Path, Path]:
    """A certificate of 2020 and its key."""
    _, key = certificate(directory)
    found, request, conf = (directory / name for name in ("ended.pem", "request.pem", "ca.conf"))
    (directory / "index").touch()
    conf.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={directory}/index\nnew_certs_dir={directory}\n"
                    "rand_serial=yes\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n")  # fmt: skip
    ask = ["openssl", "req", "-new", "-key", str(key), "-subj", "/CN=127.0.0.1", "-out", str(request)]
    sign = ["openssl", "ca", "-selfsign", "-batch", "-notext", "-config", str(conf), "-keyfile", str(key),
            "-in", str(request), "-out", str(found), "-startdate", "20200101000000Z",
            "-enddate", "20200201000000Z"]  # fmt: skip
    for line in (ask, sign):
        subprocess.run(line, check=True, capture_output=True)
    return found, key


class Secure:
    """The running command behind TLS and a token."""

    def __init__(self, port: int, trusted: Path) -> None:
        self.port = port
        self.url = f"https://127.0.0.1:{port}"
        self.trust = ssl.create_default_context(cafile=str(trusted))

    def get(self, path: str = "/metrics", **options: object) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", verify=self.trust, timeout=20, **options)  # type: ignore[arg-type]

    def sent(self, content: bytes) -> bytes:
        """What comes back, until the end, for bytes that are no TLS."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as raw:
            raw.sendall(content)
            raw.shutdown(socket.SHUT_WR)
            found = b""
            try:
                while chunk := raw.recv(4096):
                    found += chunk
            except ConnectionResetError:
                return found
            return found


def command(server: PostgresServer, directory: Path, port: int, *more: str, listen: str = "0.0.0.0") -> list[str]:
    return [sys.executable, "-m", "slotwise", "serve", "--dsn", server.dsn(), "--listen", f"{listen}:{port}",
            "--interval", "1", "--history", str(directory / "history.db"), *more]  # fmt: skip


@pytest.fixture(scope="module")
def secure(pg15: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    directory, port = tmp_path_factory.mktemp("tls"), free_port()
    found, key = certificate(directory)
    token = directory / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    files = ("--token-file", str(token), "--tls-cert", str(found), "--tls-key", str(key))
    # Beyond loopback: with all three it may.
    with subprocess.Popen(command(pg15, directory, port, *files), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            first = process.stderr.readline().decode()
            assert first == f"the certificate {found} ends in 2.0 days: renew it and restart\n"
            second = process.stderr.readline().decode()
            assert second.startswith("serving https://0.0.0.0:"), second
            made = Secure(port, found)
            yield made
            assert made.get(auth=("any", TOKEN)).status_code == 200
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
    assert process.returncode == 0 and b"Traceback" not in said, said.decode()
    assert TOKEN.encode() not in said


def test_only_the_token_opens(secure: Secure) -> None:
    until(lambda: secure.get(headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200)
    assert "slotwise_up" in secure.get(auth=("prometheus", TOKEN)).text
    for path in ("/", "/metrics", "/api/now", "/api/history", "/static/page.js", "/nowhere"):
        refused = secure.get(path)
        assert refused.status_code == 401 and "slotwise_" not in refused.text
        assert refused.headers["www-authenticate"].startswith("Basic ")
    for header in (
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        "Bearer",
        "Basic !!!",
        "Basic",
        f"Digest {TOKEN}",
        "x",
    ):
        assert secure.get(headers={"authorization": header}).status_code == 401, header
    assert secure.get(auth=("prometheus", "wrong")).status_code == 401
    # The token is not asked for in the address, where it would end up in logs.
    assert secure.get(f"/metrics?token={TOKEN}").status_code == 401


@pytest.mark.parametrize(
    "content",
    [
        b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"\x00" * 4000,
        b"\x16\x03\x01",
        b"",
        b"\x00" * 100_000,
    ],
    ids=["plain HTTP", "handshake garbage", "begun handshake", "nothing", "zeros"],
)
def test_what_is_no_tls_gets_nothing_and_shuts_nobody_out(secure: Secure, content: bytes) -> None:
    answer = secure.sent(content)
    assert b"slotwise" not in answer and b"HTTP/1.1 200" not in answer
    assert secure.get(auth=("any", TOKEN)).status_code == 200


def test_old_protocols_and_unknown_certificates_are_refused(secure: Secure) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", secure.port), timeout=20) as raw, old.wrap_socket(raw) as wrapped:
        assert wrapped.version() == "TLSv1.2"
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", secure.port), timeout=20) as raw, pytest.raises(ssl.SSLError):
        old.wrap_socket(raw)
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{secure.url}/metrics", timeout=20)


def refused(server: PostgresServer, directory: Path, *more: str, listen: str = "127.0.0.1") -> str:
    done = subprocess.run(
        command(server, directory, free_port(), *more, listen=listen), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 2, done.stderr
    return done.stderr


def test_it_does_not_start_open_to_others(pg15: PostgresServer, tmp_path: Path) -> None:
    assert "can be reached by others" in refused(pg15, tmp_path, listen="0.0.0.0")


def test_certificates_that_cannot_serve_are_said_before_it_starts(pg15: PostgresServer, tmp_path: Path) -> None:
    found, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other")
    assert "do not belong together" in refused(pg15, tmp_path, "--tls-cert", str(found), "--tls-key", str(other))
    key.chmod(0o644)
    said = refused(pg15, tmp_path, "--tls-cert", str(found), "--tls-key", str(key))
    assert f"others may read the key {key}" in said and "chmod" in said


def test_a_key_that_is_missing_locked_or_none_and_an_expired_certificate(tmp_path: Path) -> None:
    """By the function that the command asks first, without a process for each."""
    found, key = certificate(tmp_path)
    said = warning(found, key, time.time())
    assert said is not None and "ends in 2.0 days" in said
    assert warning(found, key, time.time() - 20 * 86400) is None
    check_certificate(found, key)
    with pytest.raises(OperatorError, match="cannot be read"):
        check_certificate(found, tmp_path / "missing")
    key.write_text("no key")
    with pytest.raises(OperatorError, match="do not belong together"):
        check_certificate(found, key)
    locked = ["openssl", "genpkey", "-algorithm", "RSA", "-aes256", "-pass", "pass:x", "-out", str(key)]
    subprocess.run(locked, check=True, capture_output=True)
    key.chmod(0o600)
    with pytest.raises(OperatorError, match="passphrase"):
        check_certificate(found, key)
    said = warning(*ended(tmp_path), time.time())
    assert said is not None and "will refuse it: certificate has expired" in said
