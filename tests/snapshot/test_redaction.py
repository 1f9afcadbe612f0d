from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.snapshot.redaction import HIDDEN, redact_arguments, redact_text

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        f"ALTER ROLE odoo PASSWORD '{SECRET}'",
        f"alter user odoo with encrypted password '{SECRET} o''clock'",
        f"CREATE ROLE x LOGIN PASSWORD $a${SECRET}$a$",
        f"postgresql://odoo:{SECRET}@db:5432/prod",
        f"host=db user=odoo password={SECRET} dbname=prod",
        f"host=db password = '{SECRET} with space' dbname=prod",
        f"db_password: {SECRET}",
        f"admin_passwd = {SECRET}",
        f"ALTER ROLE odoo PASSWORD '{SECRET}",
    ],
)
def test_no_password_survives(text: str) -> None:
    assert SECRET not in redact_text(text)
    assert HIDDEN in redact_text(text)


@pytest.mark.parametrize(
    "arguments", [("--db_password", SECRET), (f"--db_password={SECRET}",), ("-w", SECRET), (f"-w{SECRET}",)]
)
def test_command_lines_are_clean(arguments: tuple[str, ...]) -> None:
    clean = redact_arguments(("odoo-bin", *arguments, "--workers=4"))
    assert SECRET not in " ".join(clean)
    assert clean[0] == "odoo-bin" and clean[-1] == "--workers=4"


@pytest.mark.parametrize(
    "text", ["SELECT 1", "COMMIT", "SET password_encryption TO 'md5'", "odoo 127.0.0.1(4711) idle"]
)
def test_ordinary_text_is_kept(text: str) -> None:
    assert redact_text(text) == text


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(redact_text(text), str)
