"""What docs/planning.md says is what docs/planning.json holds, and the record does not contradict itself."""

import json

import update_planning as script


def test_the_page_is_that_of_the_stored_record() -> None:
    record = json.loads(script.RECORD.read_text(encoding="utf-8"))
    assert script.PAGE.read_text(encoding="utf-8") == script.page(record)
    assert script.PICTURE.is_file()
    assert not record["commit"].endswith("+"), "made with files that were not committed"
    for arms in (record["arms"], record["finer"]["arms"]):
        for arm, found in arms.items():
            assert found["achieved_gye"] < found["proven_gye"], arm
    for arm, found in record["finer"]["arms"].items():
        # all plans of the coarser grid are plans of the finer one; the optimiser has its own tolerance
        assert found["proven_gye"] > record["arms"][arm]["achieved_gye"], arm
