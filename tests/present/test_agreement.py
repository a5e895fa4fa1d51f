import io

from rich.console import Console

from doseplan.present.agreement import agreement_markdown, agreement_table


def _summary():
    row = {"structure": "cord", "quantity": "maximum, at its place", "pencil_beam_gye": 49.98}
    row |= {"monte_carlo_gye": 50.4, "uncertainty_gye": 0.5, "limit_gye": 50.0}
    row |= {"met": True, "met_monte_carlo": False}
    other = {**row, "quantity": "d1cc", "limit_gye": None, "uncertainty_gye": None}
    voxels = {"count": 9, "uncertainty_percent": 1.234, "mean_ratio": 0.998, "ratio_spread": 0.014}
    arm = {
        "histories": 24_000_000,
        "rows": [row, other],
        "gamma": {"dose": 98.4, "dose_rbe": 98.5},
        "gamma_percent": 2.0,
        "gamma_mm": 1.0,
        "voxels": {"dose": voxels, "dose_rbe": voxels},
        "assumptions": ["made up"],
    }
    return {"case": "one", "arms": {"none": arm, "separated": arm}}


def test_table_says_both_verdicts():
    stream = io.StringIO()
    Console(file=stream, width=140).print(agreement_table(_summary()))
    text = stream.getvalue()
    assert "49.98 met" in text
    assert "50.40 +- 0.50 NOT met (by 0.8 sigma)" in text
    assert "98.4 %" in text
    assert "24,000,000 histories" in text


def test_markdown_has_a_row_for_each_number_and_says_what_it_rests_on():
    text = agreement_markdown(_summary(), level=2)
    assert text.startswith("## one: pencil beam and Monte Carlo")
    assert "| separated | cord | d1cc | 49.98 | 50.40 |  |" in text
    assert text.count("- made up") == 1
    assert "Not for clinical use" in text
