from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from slotwise.formats.junit import JunitCase, junit_bytes


def test_counts_and_outcomes_agree() -> None:
    cases = (
        JunitCase("a.py", "SW601", "failed", "leaks", "line 1\nline 2", "critical", "a.py", 7),
        JunitCase("b.py", "parse", "error", "broken"),
        JunitCase("c.py", "SW602", "skipped", "ignored: <known>"),
        JunitCase("d.py", "clean", "passed"),
    )
    root = ElementTree.fromstring(junit_bytes("scan", cases, seconds=1.5))
    (suite,) = root
    expected = {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    assert expected.items() <= suite.attrib.items()
    assert suite.get("time") == "1.500"
    failed, error, skipped, passed = suite
    assert failed.get("file") == "a.py"
    assert failed.get("line") == "7"
    failure = failed.find("failure")
    assert failure is not None
    assert (failure.text, failure.get("type"), failure.get("message")) == ("line 1\nline 2", "critical", "leaks")
    assert error.find("error") is not None
    reason = skipped.find("skipped")
    assert reason is not None
    assert reason.get("message") == "ignored: <known>"
    assert len(passed) == 0


@given(st.text(), st.text())
def test_any_text_gives_xml_that_parses(message: str, detail: str) -> None:
    root = ElementTree.fromstring(junit_bytes("s", (JunitCase("c", "n", "failed", message, detail),)))
    assert root.find("testsuite/testcase/failure") is not None
