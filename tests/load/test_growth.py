from __future__ import annotations

from msgspec.structs import replace

from slotwise.load.growth import growing
from slotwise.load.measures import ProcessSlots, Slots, Step, step_of


def _steps(*held: dict[tuple[str, int], int]) -> list[Step]:
    return [
        replace(
            step_of(at + 1, 1.0, [0.1], 0.0),
            slots=Slots(used=5, at_end=tuple(ProcessSlots(role=r, pid=p, slots=n) for (r, p), n in one.items())),
        )
        for at, one in enumerate(held)
    ]


def test_the_process_that_leaks_is_named() -> None:
    steps = _steps(*({("http_worker", 7): 1 + 2 * n, ("http_worker", 8): 2} for n in range(5)))
    (found,) = growing(steps)
    assert (found.role, found.pid, found.first, found.last, found.rises, found.peers) == ("http_worker", 7, 1, 9, 4, 2)


def test_a_pool_that_warms_up_with_its_peers_is_no_leak() -> None:
    steps = _steps(*({("http_worker", 7): min(n, 4), ("http_worker", 8): min(n, 5)} for n in range(1, 8)))
    assert growing(steps) == ()


def test_the_only_one_of_its_role_must_rise_again_and_again() -> None:
    assert growing(_steps(*({("gevent", 3): 1 if n < 2 else 30} for n in range(6)))) == ()
    assert growing(_steps(*({("gevent", 3): 1 + n} for n in range(6))))[0].peers is None


def test_other_programs_and_unseen_processes_are_not_judged() -> None:
    assert growing(_steps(*({("unknown", 3): 1 + 3 * n} for n in range(6)))) == ()
