"""Recompute the dose of a finished plan by Monte Carlo, with its statistical uncertainty."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from doseplan import schema
from doseplan.beam.scattering import momentum_range_spread
from doseplan.beam.stopping import range_at, slowing
from doseplan.beam.tables import KEV_PER_UM
from doseplan.biology.courses import course_dose
from doseplan.biology.models import rbe_model
from doseplan.case.spec import Case
from doseplan.constants import GRAY_PER_MEV_PER_GRAM, WATER_DENSITY
from doseplan.dose.beam_data import LIBRARY_LINE, air_sigma
from doseplan.dose.channels import RESPONSES, Channels, linear_and_root
from doseplan.dose.days import by_course
from doseplan.dose.voxel_sums import BODY_RSP
from doseplan.messages import InputError, Progress, silent
from doseplan.montecarlo.simulate import BATCHES, Limits, Source, Voxels, check_numbers, simulate
from doseplan.montecarlo.tables import Tables, build_tables
from doseplan.montecarlo.voxels import coarse_mean, crossed_voxels, score_factors

Floats = NDArray[np.float64]

SCORE_MM = 2.0
"""[mm] edge of the scored voxels."""

KEEP = {1: 0.2, 2: 0.3}
"""[1] part of the hydrogen and helium that is followed, with more weight: they make a tenth of the dose and
most of the tracks. The dose of a voxel in the target gets 2 % more uncertain and costs two thirds."""

NEXT_COURSE = 0x9E3779B97F4A7C15
"""Added to the seed from course to course, so that they do not share their chance."""

QUANTITIES = ("dose", "dose_rbe", "let_d", "effect_linear", "effect_root")

ASSUMPTIONS = (
    "Monte Carlo: condensed histories; straggling and the angle of multiple scattering have the right "
    "variance, without the tails of single collisions",
    "Monte Carlo: dose is that to water at the place; a stopping power ratio is one to water of 1 g/cm3",
    "Monte Carlo: fragments in other tissues are those in water; slow target fragments act where they are "
    "born; neutrons and gammas are left out",
    "Monte Carlo: fragments of one reaction are chosen independently of each other, with the right means",
)


def recalculate(
    case: Case,
    phantom: xr.Dataset,
    spots: xr.Dataset,
    *,
    histories: int,
    seed: int = 1,
    score_mm: float = SCORE_MM,
    blur_mm: float = 0.0,
    limits: Limits | None = None,
    progress: Progress = silent,
) -> xr.Dataset:
    """Compute dose, RBE-weighted dose, its channels and LETd of weighted spots in a phantom.

    Parameters
    ----------
    case
        Its prescription states scale and fractions.
    phantom : Dataset
        `rsp`, `density`, `tissue`.
    spots : Dataset
        Fields, and spots with `weight`, `spot_energy`, `spot_u`, `spot_v`.
    histories : int
        Primary ions, shared among the spots by weight.
    seed : int
        The same seed and histories give the same bits on any number of threads.
    score_mm : float [mm]
        Edge of the scored voxels.
    blur_mm : float [mm]
        Sigma of a Gaussian: dose_rbe is also made of scores spread by it, with less noise and less detail.

    Returns
    -------
    Dataset
        On the scored voxels: `dose`, `dose_rbe`, `let_d`, `effect_linear`, `effect_root` (totals over the
        course) and one standard deviation of each over its value, `dose_uncertainty` and so on; 0 outside the
        body. With `blur_mm` also `smooth_dose_rbe` and its uncertainty, which knows that voxels along a beam
        share their ions. Attrs: `histories`, `seed`, `batches`, `blur_mm`, `plan` (digest of weights and
        version), `assumptions`.

    Raises
    ------
    InputError
        No spot with ions, or numbers that make no sense.
    """
    check_numbers(histories, seed)
    if not 0.0 <= blur_mm < np.inf:
        raise InputError(f"blur_mm: expected 0 <= blur_mm < infinity, got {blur_mm}")
    weight = spots["weight"].values
    if not (np.isfinite(weight).all() and (weight >= 0.0).all() and (weight > 0.0).any()):
        raise InputError("weight: expected finite weights of at least 0, one of them above, got others")
    progress("Monte Carlo: tables", 0.0)
    voxels = crossed_voxels(phantom, score_mm=score_mm)
    factor = score_factors(voxels.grid.edge, score_mm)
    body = coarse_mean(phantom["rsp"].values, factor) >= BODY_RSP
    per_ion = body * 1e6 * GRAY_PER_MEV_PER_GRAM / _volumes(phantom, factor, voxels.grid.edge)
    days = [(fractions, part) for fractions, part in by_course(case, spots) if part["weight"].values.any()]
    shares = [float(part["weight"].sum()) / float(weight.sum()) for _, part in days]
    every = [
        _batches(
            part, voxels, per_ion,
            histories=max(BATCHES, math.ceil(share * histories)), seed=(seed + number * NEXT_COURSE) % 2**64,
            limits=limits, progress=progress,
        )
        for number, ((_, part), share) in enumerate(zip(days, shares, strict=True))
    ]  # fmt: skip
    sums, smooth = (_Sums(case, [fractions for fractions, _ in days], body.shape) for _ in range(2))
    sigma = blur_mm / (voxels.grid.edge * factor)[::-1]
    for courses in zip(*every, strict=True):
        sums.add(np.stack(courses))
        if blur_mm > 0.0:
            smooth.add(np.stack([gaussian_filter(channels, (*sigma, 0.0)) for channels in courses]))
    found = {name: (values, sums.uncertainty(name)) for name, values in sums.mean().items()}
    if blur_mm > 0.0:
        found["smooth_dose_rbe"] = (smooth.mean()["dose_rbe"], smooth.uncertainty("dose_rbe"))
    return _dataset(case, phantom, factor, found).assign_attrs(
        histories=histories,
        seed=seed,
        batches=BATCHES,
        blur_mm=blur_mm,
        plan=plan_digest(spots),
        assumptions=list(ASSUMPTIONS),
    )


def plan_digest(spots: xr.Dataset) -> str:
    """Compute what tells one set of weights, or one version of the program, from another."""
    weight = np.ascontiguousarray(spots["weight"].values, np.float64)
    return hashlib.sha256(version("doseplan").encode() + weight.tobytes()).hexdigest()[:16]


def _batches(
    spots: xr.Dataset,
    voxels: Voxels,
    per_ion: Floats,
    *,
    histories: int,
    seed: int,
    limits: Limits | None,
    progress: Progress,
) -> Iterator[Floats]:
    """Yield what all weighted spots of a course give to the channels, (z, y, x, channel), batch by batch."""
    weight = spots["weight"].values
    chosen = spots.isel(spot=np.flatnonzero(weight > 0.0))
    tables = plan_tables(float(chosen["spot_energy"].max()))
    batches = simulate(
        tables, voxels, plan_source(chosen), chosen["weight"].values,
        histories=histories, seed=seed, limits=limits, progress=progress,
    )  # fmt: skip
    for score, _ in batches:
        yield score.reshape(*per_ion.shape, -1) * (float(weight.sum()) * per_ion[..., np.newaxis])


@lru_cache(maxsize=2)
def plan_tables(highest_energy: float) -> Tables:
    """Build the tables with the channels of the dose engine, in their order."""

    def one(species: str, energy: Floats) -> Floats:
        return np.ones_like(energy)

    def let(species: str, energy: Floats) -> Floats:
        return KEV_PER_UM * slowing(species, energy)

    responses = {"dose": one, "z_star": RESPONSES["idd_z_star"], "let": let}
    responses |= {name: RESPONSES[name] for name in ("idd_lem_linear", "idd_lem_root")}
    return build_tables(highest_energy=1.03 * highest_energy, responses=responses, keep=KEEP)


def plan_source(spots: xr.Dataset) -> Source:
    """Place spots at the isocentre's plane, with the beam line of the pencil beam's library."""
    energy = spots["spot_energy"].values
    field = spots["field_index"].values.astype(np.int64)
    u_axis, v_axis = spots["u_axis"].values, spots["v_axis"].values
    lateral = spots["isocentre"].values + spots["spot_u"].values[:, np.newaxis] * u_axis[field]
    lateral = lateral + spots["spot_v"].values[:, np.newaxis] * v_axis[field]
    ripple = 0.1 * WATER_DENSITY * LIBRARY_LINE.ripple_filter_mm
    ranges = range_at("12C", energy)
    levels, which = np.unique(energy, return_inverse=True)
    sigma = [momentum_range_spread("12C", float(level), LIBRARY_LINE.momentum_spread) for level in levels]
    reach_mm = 10.0 * (ranges - 0.5 * ripple) / WATER_DENSITY
    return Source(
        field=field,
        lateral=np.ascontiguousarray(lateral),
        size=air_sigma(reach_mm),
        range_mean=ranges,
        range_sigma=np.array(sigma)[which],
        ripple=ripple,
        direction=np.ascontiguousarray(spots["direction"].values),
        u_axis=np.ascontiguousarray(u_axis),
        v_axis=np.ascontiguousarray(v_axis),
    )


class _Sums:
    """Sums over batches: channels, and every quantity of a batch alone with its square."""

    def __init__(self, case: Case, fractions: list[int], shape: tuple[int, ...]) -> None:
        self.scale, self.fractions = case.prescription.scale, fractions
        self.channels = np.zeros((len(fractions), *shape, len(Channels._fields)))
        self.first = {name: np.zeros(shape) for name in QUANTITIES}
        self.second = {name: np.zeros(shape) for name in QUANTITIES}
        self.batches = 0

    def add(self, channels: Floats) -> None:
        """Add one batch, as the whole plan's channels (course, z, y, x, channel)."""
        self.channels += channels
        for name, values in quantities(self.scale, self.fractions, channels).items():
            self.first[name] += values
            self.second[name] += values * values
        self.batches += 1

    def mean(self) -> dict[str, Floats]:
        """Give the quantities of all batches together."""
        return quantities(self.scale, self.fractions, self.channels / self.batches)

    def uncertainty(self, name: str) -> Floats:
        """Give one standard deviation of the mean over the mean; 0 where there is nothing."""
        count = self.batches
        mean = self.first[name] / count
        variance = np.maximum(self.second[name] / count - mean**2, 0.0) / (count - 1)
        return np.divide(np.sqrt(variance), mean, out=np.zeros_like(mean), where=mean > 0.0)


def quantities(scale: str, fractions: Sequence[int], channels: Floats) -> dict[str, Floats]:
    """Turn channels (course, ..., channel) into the quantities, by name, of all courses together."""
    days = Channels(*np.moveaxis(channels, -1, 0))
    linear, root = linear_and_root(scale, days)
    dose, dose_let = days.dose.sum(axis=0), days.dose_let.sum(axis=0)
    return {
        "dose": dose,
        "dose_rbe": course_dose(rbe_model(scale), linear, root, fractions),
        "let_d": np.divide(dose_let, dose, out=np.zeros_like(dose), where=dose > 0.0),
        "effect_linear": linear.sum(axis=0),
        "effect_root": root.sum(axis=0),
    }


def _volumes(phantom: xr.Dataset, factor: NDArray[np.int64], edge: Floats) -> Floats:
    """Volume [cm3] of every scored voxel (z, y, x); those at the end may be smaller."""
    sides = []
    for name, step, length in zip("xyz", factor, edge, strict=True):
        size = phantom.sizes[name]
        first = np.arange(0, size, step)
        sides.append(0.1 * length * np.diff(np.append(first, size)))
    x, y, z = sides
    return np.asarray(z[:, np.newaxis, np.newaxis] * y[:, np.newaxis] * x)


def _dataset(
    case: Case, phantom: xr.Dataset, factor: NDArray[np.int64], found: dict[str, tuple[Floats, Floats]]
) -> xr.Dataset:
    """Name everything as the schema does."""
    centres = {}
    for name, step in zip("xyz", factor, strict=True):
        values = phantom[name].values
        first = np.arange(0, values.size, step)
        last = np.append(first[1:], values.size) - 1
        centres[name] = schema.variable(name, 0.5 * (values[first] + values[last]))
    attributes = rbe_model(case.prescription.scale).attributes(case.prescription.fractions)
    data = {}
    for name, (values, uncertainty) in found.items():
        stated = {} if name in ("dose", "let_d") else attributes
        data[name] = schema.variable(name, values, **stated)
        data[f"{name}_uncertainty"] = schema.variable(f"{name}_uncertainty", uncertainty)
    return schema.check(xr.Dataset(data, coords={name: centres[name] for name in "zyx"}), *data)
