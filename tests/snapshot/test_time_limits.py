from __future__ import annotations

import pytest
from msgspec import structs

from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.time_limits import time_limits
from tests.build import instance


@pytest.mark.parametrize(
    ("real", "cron", "expected"),
    [(120, -1, (120, 120)), (120, 0, (120, None)), (60, 900, (60, 900)), (0, -1, (None, None)), (0, 900, (None, 900))],
)
def test_minus_one_is_the_same_and_zero_is_no_limit(
    real: int, cron: int, expected: tuple[float | None, float | None]
) -> None:
    limits = time_limits(Odoo((instance(limit_time_real=real, limit_time_real_cron=cron),)))
    assert (limits.request_seconds, limits.job_seconds) == expected


def test_without_an_instance_the_most_patient_decides_and_without_odoo_the_default() -> None:
    quick = structs.replace(instance(limit_time_real=60), id="a")
    slow = structs.replace(instance(limit_time_real=600, limit_time_real_cron=0), id="b")
    both = Odoo((quick, slow))
    assert time_limits(both, "a").request_seconds == 60
    assert time_limits(both).request_seconds == 600 and time_limits(both).job_seconds is None
    assert time_limits(both).longest_seconds is None and time_limits(both, "a").longest_seconds == 60
    assert time_limits(None).request_seconds == 120 and "default" in time_limits(None).source
