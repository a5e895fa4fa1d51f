"""What docs/studies.md says is what docs/studies.json holds, and the record does not contradict itself."""

import json

import update_studies as script


def test_the_page_is_that_of_the_stored_record() -> None:
    record = json.loads(script.RECORD.read_text(encoding="utf-8"))
    assert script.PAGE.read_text(encoding="utf-8") == script.page(record)
    assert list(record) == list(script.WORK)
    for took in record.values():
        assert not took["commit"].endswith("+"), "made with files that were not committed"
    tried = [each for margin in record["margin"]["margins"] for each in margin["tried"]]
    assert tried
    for each in tried:
        assert each["bound_gye"] is None or each["target_minimum_gye"] < each["bound_gye"]
        if each["impossible"]:
            assert each["bound_gye"] <= each["goal_gye"]


def test_studies_cost_what_they_may() -> None:
    """Eleven points share what does not change with them; a margin for errors is there in half an hour."""
    record = json.loads(script.RECORD.read_text(encoding="utf-8"))
    assert record["sweep"]["processor_seconds"] < 4.0 * record["run"]["processor_seconds"]
    assert record["margin"]["seconds"] < 1800
