"""The run's own report."""

from __future__ import annotations

from tests.report import suite_of


def test_a_suite_is_a_folder_or_the_part_that_a_file_tests() -> None:
    assert suite_of("tests/system/test_stopped.py::test_a") == "system"
    assert suite_of("tests/test_journal_walks.py::TestX::test_b[1]") == "journal"
    assert suite_of("tests/test_queue.py::test_c") == "queue"
