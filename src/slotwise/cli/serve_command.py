"""``slotwise serve``: metrics for Prometheus and a live page for people, in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from slotwise.cli.looking import interval_option, live_options, request_of

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@live_options
@click.option("--listen", default="127.0.0.1:9719", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@interval_option(5.0)
@click.option("--history", type=_FILE, metavar="FILE", help="Where to keep the history, as for record.")
@click.option("--token-file", type=_FILE, metavar="FILE", help="Let in only who sends the token in this file.")
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="Certificate chain (PEM).")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="Key of the certificate (PEM).")
def command(
    listen: str,
    interval_seconds: float,
    history: Path | None,
    token_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    **where: Any,
) -> None:
    """Serve /metrics for Prometheus and a live page at /, and keep the history that both rest on.

    One database connection, however many ask. On loopback by default; elsewhere only with a token (Bearer, or as the
    password of any user) and TLS.
    """
    from slotwise.errors import OperatorError

    try:
        from slotwise.web.server import listening, serve
    except ModuleNotFoundError as error:
        raise OperatorError(f"serve needs {error.name}", "pip install 'slotwise[serve]'") from error
    from slotwise.commands.record import default_history

    address = listening(listen, token_file, tls_cert, tls_key)
    serve(
        address,
        request_of(**where),
        interval_seconds,
        history or default_history(),
        lambda text: click.echo(text, err=True),
    )
