"""Made-up rooms behind the points of a study: plans at once, doses that rise with separation.

The target minimum is `least_gye` at 0 mm and rises by `gain_gye` a millimetre; V95 is good from `covered_mm`.
Proven is `gap_gye` more than the plan has. Weights are drawn for each point, so that a wrong one shows in all
bits. A ring that is open by a degree more gets `ring_gye` more.
"""

import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import xarray as xr

from doseplan import schema
from doseplan.case import parse_case
from doseplan.messages import InputError
from doseplan.study import pipeline, points

CASE = """
name = "made up"
anatomy = { levels = "T11-T12" }
prescription = { total_gy_rbe = 64.0 }
surgery = { separation_mm = 3.0 }
tumour = { side = "right" }
"""


def made_up_case():
    """Read the case that the rooms are asked for."""
    return parse_case(CASE, None, where="made_up.toml")


@dataclass
class Rooms:
    """What the rooms answer, and what they were asked."""

    least_gye: float = 52.0
    gain_gye: float = 1.5
    gap_gye: float = 0.6
    covered_mm: float = 0.0
    robust_mm: float = 6.0
    ring_gye: float = 0.0
    refuses_ring_deg: float = 361.0
    takes_s: float = 0.0
    refuses_from_mm: float = np.inf
    planned: list[tuple[float | None, float]] = field(default_factory=list)
    proven: list[tuple[float | None, float]] = field(default_factory=list)
    built: list[float | None] = field(default_factory=list)
    opening: float = 0.0

    def install(self, put: Any) -> None:
        """Put the rooms in the place of the real ones: `put(module, name, value)`."""
        of_plans = {
            "place_samples": lambda phantom, case: xr.Dataset(),
            "trace_spots": self.trace_spots,
            "optimise": self.optimise,
            "error_rays": lambda phantom, spots, library, rays, scenarios, progress: [rays] * len(scenarios),
            "scenario_dose": lambda *seen, progress: xr.Dataset(),
            "sample_dose": lambda case, phantom, samples, spots, library, rays: xr.Dataset(),
        }
        of_points = {
            "build_phantom": self.build_phantom,
            "place_fields": lambda case, phantom: xr.Dataset(),
            "place_spots": self.place_spots,
            "beam_library": lambda progress: xr.Dataset(),
            "judge_arm": self.judge_arm,
            "prove": self.prove,
            "proof_record": lambda bound: {"level_gye": bound.upper_gye},
            "bound_entry": self.bound_entry,
        }
        for module, replaced in ((pipeline, of_plans), (points, of_points)):
            for name, room in replaced.items():
                put(module, name, room)

    def build_phantom(self, case: Any, *, separation_mm: float | None) -> xr.Dataset:
        if separation_mm is not None and separation_mm >= self.refuses_from_mm:
            raise InputError(f"made up: expected tumour to be left, got none after {separation_mm:g} mm")
        if case.tumour.wrap_deg >= self.refuses_ring_deg:
            raise InputError(f"{case.name}: tumour: expected an open ring, got {case.tumour.wrap_deg:g} deg")
        self.opening = 360.0 - case.tumour.wrap_deg
        self.built.append(separation_mm)
        return xr.Dataset(attrs={"separation": separation_mm, "wrap": case.tumour.wrap_deg})

    def place_spots(self, case, phantom, fields, library, others) -> xr.Dataset:
        assert [other.attrs["separation"] for other in others] == [0.0, case.surgery.separation_mm]
        return xr.Dataset(
            {"weight": schema.variable("weight", np.zeros(5))}, attrs={"assumptions": ["placed"]}
        )

    def trace_spots(self, phantom, spots, library, *, before) -> str:
        assert before is None or before[1] == f"rays {before[0].attrs}"
        assert before is None or before[0].attrs["wrap"] == phantom.attrs["wrap"]
        return f"rays {phantom.attrs}"

    def optimise(self, case, phantom, samples, spots, library, *, rays, errors, progress) -> xr.Dataset:
        assert bool(errors) == (case.robustness is not None and case.robustness.plan)
        assert rays == f"rays {phantom.attrs}"
        total, separation = case.prescription.total_gy_rbe, phantom.attrs["separation"]
        self.planned.append((separation, total))
        time.sleep(self.takes_s)
        progress("planning", 0.5)
        first = total + (0.0 if separation is None else separation)
        rng = np.random.default_rng(int(1000 * first))
        planned = spots.assign(weight=schema.variable("weight", first + np.r_[0.0, rng.random(4)]))
        planned.attrs = {
            **dict.fromkeys(points.PLAN_NUMBERS, 1.0),
            "separation": -1.0 if separation is None else separation,
            "target_minimum_gye": self.minimum(separation),
            "assumptions": list(dict.fromkeys([*spots.attrs["assumptions"], "planned"])),
        }
        return planned

    def minimum(self, separation: float | None) -> float:
        """Target minimum of a plan [Gy(RBE)]."""
        return self.least_gye + self.gain_gye * (separation or 0.0) + self.ring_gye * self.opening

    def judge_arm(self, case, phantom, samples) -> dict[str, Any]:
        total, separation = case.prescription.total_gy_rbe, phantom.attrs["separation"]
        least, covered = self.minimum(separation), (separation or 0.0) >= self.covered_mm
        target = {f"d{name}_gye": least + 1.0 for name in ("98", "95", "50", "2", "max")}
        target |= {"dmin_gye": least, "volume_cm3": 70.0, "v95_percent": 99.0 if covered else 90.0}
        cord = {f"{name}_gye": 49.0 for name in ("max", "d0_03cc", "d0_1cc", "d1cc")}
        goals = [
            {"name": "cord maximum", "hard": True, "met": True},
            {"name": "target minimum", "hard": False, "met": least >= 0.9 * total, "limit_gye": 0.9 * total},
            {"name": "target V95", "hard": False, "met": covered},
        ]
        return {
            "cord": {**cord, "limit_gye": 50.0},
            "tumour": {**target, "v90_percent": 100.0},
            "strip": None,
            "goals": goals,
            "limits_met": True,
            "goals_met": all(goal["met"] for goal in goals[1:]),
            **({} if case.robustness is None else {"robust": self.robust(separation)}),
        }

    def robust(self, separation: float | None) -> dict[str, Any]:
        """What errors leave: 3 GyE less, goals from `robust_mm` on."""
        return {
            "target_dmin_gye": self.minimum(separation) - 3.0,
            "cord_max_gye": 51.0,
            "pass_percent": 75.0,
            "limits_met": True,
            "goals_met": (separation or 0.0) >= self.robust_mm,
        }

    def prove(self, case, phantom, samples, spots, library, *, rays, programs, progress) -> SimpleNamespace:
        separation, total = phantom.attrs["separation"], case.prescription.total_gy_rbe
        self.proven.append((separation, total))
        if programs < 2:
            raise InputError("proof: expected multipliers that refute a level, got none")
        return SimpleNamespace(upper_gye=self.minimum(separation) + self.gap_gye, witness_gye=1.0)

    def bound_entry(self, case, record, spots, samples) -> dict[str, Any]:
        achieved = spots.attrs["target_minimum_gye"]
        said = {"dmin_gye": achieved, "dmin_upper_gye": record["level_gye"], "gap_percent": 1.0}
        return {**said, "scenarios": 1}


def fills_memory(gib: float) -> None:
    """Take memory, and keep it a while."""
    taken = []
    for _ in range(round(gib * 64)):
        taken.append(bytearray(b"x" * 2**24))
        time.sleep(0.02)
    time.sleep(2.0)
