"""Candidate fields of a case: their spots, and what each gives to the samples that bounds of sets rest on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from doseplan.anatomy import build_phantom, place_samples
from doseplan.case import with_fields
from doseplan.dose import Rays, beam_library, place_fields, place_spots, trace_spots
from doseplan.messages import InputError, Progress
from doseplan.planning.evidence import Evidence
from doseplan.planning.pool import Pool, choose, make_pool
from doseplan.planning.screen import screening_samples, side_by_side
from doseplan.study.field_choice import Angles
from doseplan.study.pipeline import Scene, set_scene
from doseplan.study.points import Point, Study, make_point


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSearch:
    """What all sets share: voxels, samples, and for each angle its spots and rows.

    `rows` fills up: the rows of an angle by the pitch of its sub-spots, which is that of the finest field.
    `chosen` is one entry: target and limited samples of the rows, as places in the third, which are all.
    """

    study: Study
    count: int
    separation_mm: float | None
    programs: int
    library: xr.Dataset
    phantoms: list[xr.Dataset]
    samples: xr.Dataset
    spots: dict[float, xr.Dataset]
    pitch: dict[float, float]
    left_out: dict[str, str]
    rows: dict[tuple[float, float], Evidence]
    chosen: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]

    @property
    def usable(self) -> Angles:
        """Angles that fields can come from."""
        return tuple(self.spots)

    @property
    def prescription_gye(self) -> float:
        """What plans seek."""
        return self.study.base.prescription.total_gy_rbe

    def evidence(self, angles: Angles) -> Evidence:
        """Put the rows of a set's fields together."""
        pitch = min(self.pitch[each] for each in angles)
        return side_by_side([self._rows(each, pitch) for each in angles])

    def _rows(self, angle: float, pitch: float) -> Evidence:
        if (angle, pitch) not in self.rows:
            rays = trace_spots(self.phantoms[0], self.spots[angle], self.library, pitch_mm=pitch)
            self.rows[angle, pitch] = _rows_of(self, angle, rays)
        return self.rows[angle, pitch]

    def learn(self, target: Sequence[int], limited: Sequence[int]) -> None:
        """Use more samples, numbered among all of the case, for every set from now on."""
        *chosen, number = self.chosen.pop()
        more = (np.searchsorted(number, each) for each in (target, limited))
        first, second = (np.union1d(known, each) for known, each in zip(chosen, more, strict=True))
        self.chosen.append((first, second, number))
        self.rows.clear()

    def scene(self, point: Point) -> Scene:
        """Make what the plan of a set needs from the voxels that all sets share."""
        asked, first, *others = self.phantoms
        fields = place_fields(point.case, first)
        spots = place_spots(point.case, first, fields, self.library, others)
        return set_scene(point.case, asked, self.library, spots=spots)

    def point(self, angles: Angles) -> tuple[Study, Point]:
        """Give a set as a point of a study: the plan of its own case."""
        base = with_fields(self.study.base, angles)
        study = replace(self.study, base=base, scenes={}, spots={})
        return study, make_point(base, self.separation_mm, {})


def begin_search(
    study: Study,
    angles: Angles,
    count: int,
    separation_mm: float | None,
    programs: int,
    progress: Progress,
) -> FieldSearch:
    """Build voxels, and place the spots of every angle; angles without are left out."""
    case = study.base
    library = beam_library(progress=progress)
    study.libraries.append(library)
    progress("voxels", 0.0)
    asked = build_phantom(case, separation_mm=separation_mm)
    arms = [build_phantom(case, separation_mm=each) for each in (None, 0.0, case.surgery.separation_mm)]
    search = FieldSearch(
        study=study,
        count=count,
        separation_mm=separation_mm,
        programs=programs,
        library=library,
        phantoms=[asked, *arms],
        samples=place_samples(asked, case),
        spots={},
        pitch={},
        left_out={},
        rows={},
        chosen=[],
    )
    for number, angle in enumerate(angles):
        progress(f"spots and rows, {angle:g} deg", number / len(angles))
        _add_angle(search, angle)
    if len(search.usable) < count:
        raise InputError(
            f"gantry_deg: expected at least {count} angles that reach the target, got {len(search.usable)}; "
            + "; ".join(f"{angle} deg: {why}" for angle, why in search.left_out.items())
        )
    return search


def _add_angle(search: FieldSearch, angle: float) -> None:
    asked, first, *others = search.phantoms
    one = with_fields(search.study.base, [angle])
    try:
        spots = place_spots(one, first, place_fields(one, first), search.library, others)
    except InputError as error:
        search.left_out[f"{angle:g}"] = str(error).removeprefix("fields[0]: ")
        return
    rays = trace_spots(asked, spots, search.library)
    search.spots[angle], search.pitch[angle] = spots, float(rays.sub_spots.pitch.min())
    if not search.chosen:  # the same for all angles
        pool = _pool_of(search, angle, rays)
        search.chosen.append((*screening_samples(pool), pool.names(np.arange(pool.row.size))[:, 0]))


def _rows_of(search: FieldSearch, angle: float, rays: Rays) -> Evidence:
    target, limited, _ = search.chosen[0]
    return choose(_pool_of(search, angle, rays), target, limited).evidence


def _pool_of(search: FieldSearch, angle: float, rays: Rays) -> Pool:
    return make_pool(search.study.base, search.samples, [rays], search.spots[angle], search.library)
