"""What docs/planning.md says is what docs/planning.json holds, and the record does not contradict itself."""

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_page_is_that_of_the_stored_record() -> None:
    path = ROOT / "docs" / "update_planning.py"
    spec = importlib.util.spec_from_file_location("update_planning", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    record = json.loads(script.RECORD.read_text(encoding="utf-8"))
    assert script.PAGE.read_text(encoding="utf-8") == script.page(record)
    assert script.PICTURE.is_file()
    assert not record["commit"].endswith("+"), "made with files that were not committed"
    for arm, found in record["arms"].items():
        assert found["achieved_gye"] < found["proven_gye"], arm
