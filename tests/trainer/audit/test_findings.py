import pytest

from tests.trainer.audit.faulty import rows

FAULTS = ("copy", "border", "tiny", "empty", "unreadable")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_found_once_and_nothing_else(audited, fault):
    found = rows(audited[0] / "audit.csv")
    of_it = [row for row in found if row["finding"] == fault]
    assert len(of_it) == 1
    assert fault in of_it[0]["file"] + of_it[0]["more"]
    assert {row["finding"] for row in found} == set(FAULTS)
