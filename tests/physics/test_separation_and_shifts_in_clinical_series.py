"""Distance from the cord and loss of coverage by shifts in clinical series.

Neither is a measurement that one plan could repeat: the series hold patients of several tumours, other
fields and other margins, and one of them was treated with photons. What can be asked of a plan of ours is
whether it gives the same millimetres and the same few per cent. It is a small tumour around the left half of
the sac at T11/T12, 64 GyE in 16 fractions from three fields, cord below 50 GyE, goals of 90 % everywhere
and 95 % in 95 % of the target; planned as it lies, without any margin for errors.

Distance: after separation surgery and photon radiosurgery (36 patients, 18 of them with a moderate
resection) no tumour of the latter recurred within a year if it was 3 mm or more from the cord, and half of
those nearer did (World Neurosurg 2021;146:e714). We plan without surgery and after decompression alone: the
first misses the goals, the second meets them, so what is needed lies between their distances, the larger of
which is the row. The few millimetres are the same because in both the dose has to fall from the prescription
to the cord's limit across a gap. It is coverage as planned: what shifts take away comes on top, and control
of a tumour is more than coverage.

Shifts: in 15 patients with tumours of the skull base, carbon plans with lateral fields lost up to 0.7 and
3.5 percentage points of their CTV's V95 in the median by shifts of 1 and 2 mm, single ones up to 5.1 and 9.7
(Ammazzalorso 2014, doi:10.1186/s13014-014-0279-2). There shifts stay inside the margin around the CTV, and
bone and air lie beside each other. Ours has no margin but for the spots beside the target, a target of about
11 cm3, and shifts along the axes, both ways. The smaller a target, the more of it lies beside its edge.
"""

from typing import Any

import numpy as np
import pytest

from doseplan.anatomy import build_phantom
from doseplan.case import Case, parse_case
from doseplan.dose import Scenario, beam_library, scenario_dose, trace_spots
from doseplan.evaluation import judge_arm
from doseplan.evaluation.volume import volume_percent_at
from doseplan.schema import STRUCTURES
from doseplan.study.pipeline import plan_scene, set_scene

CASE = """
name = "small"
anatomy = { levels = "T11-T12", origin_below = "T11" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0, ctv_margin_mm = 2.0 }
fields = [{ gantry_deg = 150.0 }, { gantry_deg = 210.0 }, { gantry_deg = 90.0 }]
delivery = { spot_spacing_mm = 4.0, layer_spacing_mm = 3.0 }
grid = { voxel_mm = 2.0 }

[tumour]
side = "left"
wrap_deg = 180.0
compression_percent = 40.0
epidural_length_mm = 14.0
bone_diameter_mm = 12.0
bone_height_mm = -4.0
foramen_diameter_mm = 8.0
paraspinal_width_mm = 16.0
paraspinal_depth_mm = 14.0
paraspinal_length_mm = 16.0
"""

SEPARATIONS = {"none": None, "decompressed": 0.0}

Planned = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def case() -> Case:
    return parse_case(CASE, None, where="small.toml")


@pytest.fixture(scope="module")
def planned(case: Case) -> Planned:
    """Phantom, spots, samples and verdicts of both arms."""
    library = beam_library()
    phantoms = {name: build_phantom(case, separation_mm=each) for name, each in SEPARATIONS.items()}
    found = {}
    for name, phantom in phantoms.items():
        scene = set_scene(case, phantom, library, others=list(phantoms.values()))
        spots, samples = plan_scene(case, scene, library)
        verdict = judge_arm(case, phantom, samples)
        found[name] = {"phantom": phantom, "spots": spots, "samples": samples, "verdict": verdict}
    return found


def test_distance_from_tumour_to_cord(compare, planned: Planned) -> None:
    near, far = (planned[name]["verdict"] for name in SEPARATIONS)
    assert near["limits_met"]
    assert far["limits_met"]
    assert not near["goals_met"]
    assert far["goals_met"]
    compare(
        "distance from tumour to cord that is enough as planned (decompression alone)",
        far["gaps"]["gap_tumour_cord_mm"],
        3.0,
        tolerance=1.0,
        absolute=True,
        unit="mm",
        why="a cut-off of a series: distances were told apart by the millimetre",
    )


LOSSES = {1.0: (0.7, 5.1), 2.0: (3.5, 9.7)}
"""[percentage points] median and largest loss of V95 in the series, by the size of the shift [mm]."""

NO_MARGIN = (
    "the target is small, and planned without the margin that holds all shifts of the series: along one "
    "axis a whole face of it leaves the high dose"
)


@pytest.mark.parametrize("size", LOSSES)
@pytest.mark.parametrize("arm", SEPARATIONS)
def test_loss_of_v95_by_a_shift(compare, case: Case, planned: Planned, arm: str, size: float) -> None:
    lost = _losses(case, planned[arm], size)
    median, largest = LOSSES[size]
    said = f"loss of V95 by {size:g} mm, {arm}"
    points = {"absolute": True, "unit": "points"}
    compare(
        f"median {said}",
        float(np.median(lost)),
        median,
        tolerance=largest - median,
        why="one case may lie anywhere among the patients of the series: up to their largest",
        **points,
    )
    beyond = {"disagrees": NO_MARGIN, "at_most": 12.0} if (arm, size) == ("decompressed", 2.0) else {}
    compare(
        f"largest {said}",
        max(lost),
        largest,
        tolerance=0.5 * (largest - median),
        why="the largest of 15 patients: half of its way from their median",
        **points,
        **beyond,
    )


def _losses(case: Case, arm: dict[str, Any], size: float) -> list[float]:
    """Compute by how much V95 falls [percentage points] in six shifts along the axes."""
    samples, library = arm["samples"], beam_library()
    target = np.flatnonzero(samples["sample_structure"].values == STRUCTURES["target"])
    own = samples.isel(sample=target)
    volume, level = own["sample_volume"].values, 0.95 * case.prescription.total_gy_rbe
    planned = volume_percent_at(own["sample_dose_rbe"].values, volume, level)
    lost = []
    for x, y, z in size * np.concatenate([np.eye(3), -np.eye(3)]):
        shift = Scenario(shift_mm=(float(x), float(y), float(z)))
        rays = trace_spots(arm["phantom"], arm["spots"], library, scenario=shift)
        dose = scenario_dose(case, own[["sample_position"]], arm["spots"], library, [shift], [rays])
        lost.append(planned - volume_percent_at(dose["scenario_dose_rbe"].values[0], volume, level))
    return lost
