"""What docs/planning.md says is what docs/planning.json holds, and the record does not contradict itself."""

import json

import update_planning as script


def test_the_page_is_that_of_the_stored_record() -> None:
    record = json.loads(script.RECORD.read_text(encoding="utf-8"))
    assert script.PAGE.read_text(encoding="utf-8") == script.page(record)
    assert script.PICTURE.is_file()
    assert not record["commit"].endswith("+"), "made with files that were not committed"
    for arm, found in record["arms"].items():
        assert found["achieved_gye"] < found["proven_gye"], arm
