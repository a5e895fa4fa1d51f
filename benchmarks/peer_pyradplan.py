"""pyRadPlan's half of the comparison: runs in pyRadPlan's environment and imports nothing of ours.

`python peer_pyradplan.py table OUT.npz` writes the depth doses of its generic carbon machine on even depths;
`python peer_pyradplan.py run CASE.npz OUT.npz` computes the case that compare_pyradplan.py has written.
"""

import logging
import os
import sys
import time
import warnings

os.environ.update(
    OMP_NUM_THREADS="1", TQDM_DISABLE="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1"
)  # before numpy

import numpy as np
import SimpleITK as sitk  # noqa: N813 (the usual name)
from pyRadPlan import IonPlan, SteeringInformation, StructureSet, __version__, validate_ct
from pyRadPlan.cst import create_voi
from pyRadPlan.dose.engines import ParticleHongPencilBeamEngine
from pyRadPlan.machines.particles import IonAccelerator, LateralCutOff
from pyRadPlan.optimization.objectives import SquaredDeviation, SquaredOverdosing
from pyRadPlan.optimization.problems import NonLinearFluencePlanningProblem

GRAY_MM2_PER_IDD = 1.6021766208e-02  # as its engine has it
DEPTH_STEP_MM, DEEPEST_MM = 0.25, 160.0
RANGES_MM = (60.0, 110.0)
LAYERS = 12
SAD_MM = 1e5  # nearly parallel beams, as ours are; further away its float32 coordinates would get coarse
TURNS = 3


def write_table(out: str) -> None:
    """Write depth doses and widths of some energies, resampled on even depths, so that both read the same."""
    machine = ParticleHongPencilBeamEngine.load_machine("carbon", "Generic")
    inside = np.flatnonzero((machine.peak_positions > RANGES_MM[0]) & (machine.peak_positions < RANGES_MM[1]))
    chosen = inside[np.linspace(0, inside.size - 1, LAYERS).astype(int)]
    depth = np.arange(0.0, DEEPEST_MM, DEPTH_STEP_MM)
    kernels = [machine.pb_kernels[energy] for energy in machine.energies[chosen]]
    np.savez(
        out,
        energy=machine.energies[chosen],
        depth=depth,
        idd=[np.interp(depth, one.depths + one.offset, one.idd, right=0.0) for one in kernels],
        sigma=[np.interp(depth, one.depths + one.offset, one.sigma) for one in kernels],
        alpha=[np.interp(depth, one.depths + one.offset, one.alpha[0]) for one in kernels],
        beta=[np.interp(depth, one.depths + one.offset, one.beta[0]) for one in kernels],
        air_sigma=[float(machine.foci[one.energy][0].sigma[0]) for one in kernels],
    )


class SameCutoff(ParticleHongPencilBeamEngine):
    """The engine as it is, but for the machine and the radius at which a spot ends: those of the case."""

    name = "Hong, with the cut-off of the case"
    short_name = "HongPBSame"

    def take(self, machine, reach) -> None:
        self._own_machine, self._reach = machine, reach

    def load_machine(self, *_):
        return self._own_machine

    def _calc_lateral_particle_cut_off(self, *_) -> None:
        for kernel, reach in zip(self._own_machine.pb_kernels.values(), self._reach, strict=True):
            kernel.lateral_cut_off = LateralCutOff(comp_fac=1.0, depths=kernel.depths, cut_off=reach)

    def _get_lateral_distance_from_dose_cutoff_on_ray(self, ray) -> float:
        return float(self._reach.max())


def machine_of(case) -> IonAccelerator:
    """Make a machine of the tables of the case."""
    depth, energies = case["depth"], case["energy"]
    kernels, foci = {}, {}
    peaks = depth[case["idd"].argmax(axis=1)]
    for number, energy in enumerate(energies):
        kernels[energy] = {
            "energy": energy, "offset": 0.0, "depths": depth, "Z": case["idd"][number],
            "sigma": case["sigma"][number], "peakPos": peaks[number],
            "alpha_x": [0.1], "beta_x": [0.05],
            "alpha": case["alpha"][number][None], "beta": case["beta"][number][None],
        }  # fmt: skip
        width = float(case["air_sigma"][number])
        foci[energy] = [{"dist": [0.0, 2.0 * SAD_MM], "sigma": [width, width]}]
    return IonAccelerator(
        radiation_mode="carbon", name="same", description="", energies=energies, SAD=SAD_MM,
        BAMStoIsoDist=2000.0, LUTspotSize=[[1.0, 1e9], [3.0, 3.0]], fit_air_offset=0.0,
        peak_positions=peaks, foci=foci, pb_kernels=kernels,
    )  # fmt: skip


def steering_of(case) -> SteeringInformation:
    """Put the spots of the case on rays from above; on a ray the energies rise."""
    rays = []
    for u, v in np.unique(case["spot_uv"], axis=0):
        own = np.flatnonzero((case["spot_uv"] == (u, v)).all(axis=1))
        position = np.array([u, 0.0, v])
        target = 2.0 * position - [0.0, -SAD_MM, 0.0]
        beamlets = [{"energy": float(case["energy"][layer])} for layer in np.sort(case["spot_layer"][own])]
        rays.append(
            {"beamlets": beamlets, "ray_pos": position, "ray_pos_bev": position,
             "target_point": target, "target_point_bev": target}
        )  # fmt: skip
    beam = {
        "gantry_angle": 0.0, "couch_angle": 0.0, "bixel_width": 4.0, "radiation_mode": "carbon",
        "machine": "same", "sad": SAD_MM, "iso_center": np.zeros(3), "rays": rays,
    }  # fmt: skip
    return SteeringInformation(beams=[beam])


def box_of(case):
    """Make a box of water with a target in it: every voxel belongs to the body."""
    shape, spacing = case["target"].shape, float(case["voxel_mm"])
    water = sitk.GetImageFromArray(np.ones(shape, np.float32))
    water.SetSpacing([spacing] * 3)
    water.SetOrigin([float(case[axis][0]) for axis in "xyz"])
    ct = validate_ct(cube_hu=water)

    def mask(values):
        image = sitk.GetImageFromArray(values.astype(np.uint8))
        image.CopyInformation(water)
        return image

    target = create_voi(
        voi_type="TARGET", name="target", ct_image=ct, mask=mask(case["target"]),
        objectives=[SquaredDeviation(priority=1.0, d_ref=float(case["prescription"]))],
    )  # fmt: skip
    body = create_voi(
        voi_type="EXTERNAL", name="body", ct_image=ct, mask=mask(np.ones(shape)),
        objectives=[SquaredOverdosing(priority=1.0, d_max=float(case["limit"]))],
    )  # fmt: skip
    return ct, StructureSet(vois=[target, body], ct_image=ct)


def quickest(run) -> tuple[float, float, object]:
    """Run once to warm up and then some turns; gives the least processor and clock time, and the result."""
    result, cpu, wall = run(), [], []
    for _ in range(TURNS):
        start, clock = time.process_time(), time.perf_counter()
        result = run()
        cpu.append(time.process_time() - start)
        wall.append(time.perf_counter() - clock)
    return min(cpu), min(wall), result


def compute(case_path: str, out: str) -> None:
    """Time the dose influence, and objective with gradient; write them with the doses of some spots."""
    case = np.load(case_path)
    ct, cst = box_of(case)
    stf = steering_of(case)
    voxel = float(case["voxel_mm"])

    def build():
        plan = IonPlan(radiation_mode="carbon", machine="Generic")
        engine = SameCutoff(plan)
        engine.take(machine_of(case), case["reach"])
        engine.calc_let = False
        engine.calc_bio_dose = bool(case["biology"])
        engine.air_offset_correction = False
        engine.lateral_model = "single"
        engine.use_given_eq_density_cube = True
        engine.dose_grid = {"resolution": {"x": voxel, "y": voxel, "z": voxel}}
        return engine.calc_dose_influence(ct, cst, stf)

    build_cpu, build_wall, dij = quickest(build)
    matrix = dij.physical_dose.flat[0]
    weight = np.full(matrix.shape[1], float(case["weight"]))
    plan = IonPlan(radiation_mode="carbon", machine="Generic", prop_opt={"solver": "scipy"})
    problem = NonLinearFluencePlanningProblem(plan)
    if not case["biology"]:  # its default for carbon ions is the RBE-weighted dose
        problem.default_quantities = {"carbon": "physical_dose"}
    problem._ct, problem._cst, problem._stf, problem._dij = ct, cst, stf, dij
    problem._initialize()
    number = iter(range(10**6))

    def turn():
        # other weights each time: both cache what they have computed for the last ones
        now = weight * (1.0 + 1e-6 * next(number))
        return problem._objective_function(now), problem._objective_gradient(now)

    loop_cpu, loop_wall, (objective, gradient) = quickest(turn)
    order = np.lexsort((case["spot_layer"], case["spot_uv"][:, 1], case["spot_uv"][:, 0]))
    column = np.argsort(order)
    shown = [np.asarray(matrix[:, [column[spot]]].todense()).ravel() for spot in case["shown"]]
    np.savez(
        out, version=__version__, pairs=matrix.nnz, build_cpu=build_cpu, build_wall=build_wall,
        loop_cpu=loop_cpu, loop_wall=loop_wall, shown_dose=shown, objective=float(objective),
        gradient=np.asarray(gradient)[column],
    )  # fmt: skip


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    write_table(sys.argv[2]) if sys.argv[1] == "table" else compute(sys.argv[2], sys.argv[3])
