"""An exported run is valid DICOM that others read back: images, contours, doses and spots."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
import xarray as xr
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from doseplan import schema
from doseplan.dose.fields import beam_axes
from doseplan.exchange import dicom_write
from doseplan.exchange.dicom_read import read_dose_and_structures
from doseplan.exchange.dicom_structures import structure_mask
from doseplan.exchange.dicom_write import arm_objects, write_dicom
from doseplan.messages import InputError

FILES = ("RTSTRUCT.dcm", "RTPLAN.dcm", "RTDOSE_physical.dcm", "RTDOSE_effective.dcm")
STRUCTURES = {"cord": "ORGAN", "sac": "ORGAN", "gtv": "GTV", "target": "CTV", "body": "EXTERNAL"}

pytestmark = pytest.mark.filterwarnings("ignore:builtin type [Ss]wig:DeprecationWarning")


@pytest.fixture(scope="module")
def tree(small_run: ModuleType) -> xr.DataTree:
    made = small_run.make_run()
    assert isinstance(made, xr.DataTree)
    return made


@pytest.fixture(scope="module")
def folder(tree: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("export") / "dicom"
    write_dicom(tree, found)
    return found


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} (Debian dicom3tools) is not installed")
    return found


def errors_of(name: str, files: Sequence[Path]) -> list[str]:
    done = subprocess.run([program(name), *map(str, files)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def test_files_of_every_arm(tree: xr.DataTree, folder: Path) -> None:
    slices = tree["none/anatomy"].sizes["z"]
    for arm in ("none", "separated"):
        images = [f"CT/CT_{index:04d}.dcm" for index in range(1, slices + 1)]
        there = sorted(path.relative_to(folder / arm).as_posix() for path in (folder / arm).rglob("*.*"))
        assert there == sorted([*images, *FILES])
    assert sorted(path.name for path in folder.iterdir()) == ["none", "separated"]


def test_every_object_is_valid(folder: Path) -> None:
    files = sorted(folder.rglob("*.dcm"))
    assert {str(path): found for path in files if (found := errors_of("dciodvfy", [path]))} == {}


def test_objects_agree_with_each_other(folder: Path) -> None:
    assert errors_of("dcentvfy", sorted(folder.rglob("*.dcm"))) == []


def test_files_are_explicit_little_endian_with_their_own_meta(folder: Path) -> None:
    for path in folder.rglob("*.dcm"):
        found = pydicom.dcmread(path)
        assert found.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID
        assert found.file_meta.ImplementationVersionName == "doseplan 0.0.1"
        assert len(found.SOPInstanceUID) <= 64


def test_nothing_is_invented_about_a_patient(folder: Path) -> None:
    for path in folder.rglob("*.dcm"):
        found = pydicom.dcmread(path)
        assert found.PatientName == ""
        assert found.PatientID == "made_up"
        dates = [element for element in found.iterall() if element.VR in ("DA", "TM", "DT")]
        assert [element for element in dates if element.value] == []
        assert "research only" in found.SeriesDescription


def test_labels_say_research_only(folder: Path) -> None:
    structures, plan = (pydicom.dcmread(folder / "none" / name) for name in FILES[:2])
    assert structures.StructureSetLabel == plan.RTPlanLabel == "research only"
    assert structures.ApprovalStatus == plan.ApprovalStatus == "UNAPPROVED"


def test_same_run_gives_the_same_bytes(tree: xr.DataTree, folder: Path, tmp_path: Path) -> None:
    write_dicom(tree, tmp_path / "again")
    first, again = (
        {path.relative_to(root): hashlib.sha256(path.read_bytes()).digest() for path in root.rglob("*.dcm")}
        for root in (folder, tmp_path / "again")
    )
    assert first == again


def test_identifiers_differ_between_objects_arms_and_runs(small_run: ModuleType) -> None:
    first, other = small_run.make_run(), small_run.make_run()
    other.attrs["digest"] = "0" * 64
    names = [
        str(found.SOPInstanceUID)
        for tree in (first, other)
        for arm in tree.children
        for found in arm_objects(tree, arm).values()
    ]
    assert len(set(names)) == len(names)


def check_geometry(image: object, tree: xr.DataTree) -> None:
    anatomy = tree["none/anatomy"]
    for method, expected in {
        "GetOrigin": [float(anatomy[axis][0]) for axis in "xyz"],
        "GetSpacing": [float(anatomy[axis][1] - anatomy[axis][0]) for axis in "xyz"],
        "GetSize": [anatomy.sizes[axis] for axis in "xyz"],
        "GetDirection": np.eye(3).ravel().tolist(),
    }.items():
        np.testing.assert_allclose(getattr(image, method)(), expected, atol=1e-5)


def test_images_read_back_by_simpleitk(tree: xr.DataTree, folder: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "none" / "CT")))
    image = reader.Execute()
    check_geometry(image, tree)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(image), np.rint(tree["none/anatomy"]["hu"].values).astype(int)
    )


@pytest.mark.parametrize(("file", "name"), [("physical", "dose"), ("effective", "dose_rbe")])
def test_doses_read_back_by_simpleitk(tree: xr.DataTree, folder: Path, file: str, name: str) -> None:
    sitk = pytest.importorskip("SimpleITK")
    path = folder / "none" / f"RTDOSE_{file}.dcm"
    image = sitk.ReadImage(str(path))
    check_geometry(image, tree)
    stated = pydicom.dcmread(path)
    dose = sitk.GetArrayFromImage(image).astype(np.float64)
    if dose.max() > 1000.0:  # some versions of GDCM leave the scaling to the reader
        dose *= float(stated.DoseGridScaling)
    expected = tree["none/dose"][name].values
    assert np.abs(dose - expected).max() < 1e-3 * expected.max()


def test_doses_say_what_they_are(folder: Path) -> None:
    physical, effective = (pydicom.dcmread(folder / "none" / name) for name in FILES[2:])
    assert (physical.DoseType, effective.DoseType) == ("PHYSICAL", "EFFECTIVE")
    assert physical.DoseUnits == effective.DoseUnits == "GY"
    assert physical.DoseSummationType == effective.DoseSummationType == "PLAN"
    assert effective.DoseComment == "NIRS, 4 fx, a model (made up)"
    plan = pydicom.dcmread(folder / "none" / "RTPLAN.dcm")
    for dose in (physical, effective):
        assert dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID
        assert dose.GridFrameOffsetVector[0] == 0
        assert len(dose.GridFrameOffsetVector) == dose.NumberOfFrames


def centres_inside(contours: Sequence[Dataset], anatomy: xr.Dataset, *, union: bool) -> NDArray[np.bool_]:
    """Test every voxel centre against the contours, joined by "or", or by crossings as XOR does."""
    x, y = np.meshgrid(anatomy["x"].values, anatomy["y"].values)
    found = np.zeros(tuple(anatomy.sizes[axis] for axis in "zyx"), dtype=bool)
    for contour in contours:
        points = np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3)
        assert np.ptp(points[:, 2]) == 0.0
        plane = int(np.abs(anatomy["z"].values - points[0, 2]).argmin())
        outline = Outline(np.vstack([points[:, :2], points[:1, :2]]), closed=True)
        inside = outline.contains_points(np.c_[x.ravel(), y.ravel()]).reshape(x.shape)
        found[plane] = found[plane] | inside if union else found[plane] ^ inside
    return found


@pytest.mark.parametrize("union", [True, False])
@pytest.mark.parametrize("name", STRUCTURES)
def test_contours_give_the_voxels_back(tree: xr.DataTree, folder: Path, name: str, union: bool) -> None:
    anatomy = tree["none/anatomy"].to_dataset()
    found = pydicom.dcmread(folder / "none" / "RTSTRUCT.dcm")
    numbers = {roi.ROIName: roi.ROINumber for roi in found.StructureSetROISequence}
    shown = next(roi for roi in found.ROIContourSequence if roi.ReferencedROINumber == numbers[name])
    drawn = centres_inside(shown.ContourSequence, anatomy, union=union)
    mask = structure_mask(anatomy, name)
    assert 2.0 * (drawn & mask).sum() / (drawn.sum() + mask.sum()) >= 0.99
    np.testing.assert_array_equal(drawn, mask)


def test_made_up_structures_have_a_hole_and_two_parts(tree: xr.DataTree, folder: Path) -> None:
    target = tree["none/anatomy"]["target"].values[4] > 0.5
    assert not target[9, 11]
    assert target[9, 6]
    assert target[9, 16]
    found = pydicom.dcmread(folder / "none" / "RTSTRUCT.dcm")
    in_slice = {
        roi.ReferencedROINumber: sum(
            abs(contour.ContourData[2] - 1.9) < 1e-3 for contour in roi.ContourSequence
        )
        for roi in found.ROIContourSequence
    }
    names = {roi.ROIName: in_slice[roi.ROINumber] for roi in found.StructureSetROISequence}
    assert names["target"] == 1
    assert names["gtv"] == 3


def test_contours_lie_on_their_images_with_at_most_three_decimals(folder: Path) -> None:
    found = pydicom.dcmread(folder / "none" / "RTSTRUCT.dcm")
    images = {
        image.SOPInstanceUID: float(image.ImagePositionPatient[2])
        for image in map(pydicom.dcmread, (folder / "none" / "CT").glob("*.dcm"))
    }
    for roi in found.ROIContourSequence:
        for contour in roi.ContourSequence:
            named = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
            assert abs(contour.ContourData[2] - images[named]) < 1e-3
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            assert 3 * contour.NumberOfContourPoints == len(contour.ContourData)
            assert max(len(str(value).partition(".")[2]) for value in contour.ContourData) <= 3


def test_structures_are_named_and_understood(folder: Path) -> None:
    found = pydicom.dcmread(folder / "none" / "RTSTRUCT.dcm")
    names = {roi.ROINumber: roi.ROIName for roi in found.StructureSetROISequence}
    types = {
        names[each.ReferencedROINumber]: each.RTROIInterpretedType for each in found.RTROIObservationsSequence
    }
    assert types == STRUCTURES
    assert "spinal cord of the test" in found.StructureSetROISequence[0].ROIDescription


def test_body_is_the_largest_part_without_holes(tree: xr.DataTree) -> None:
    mask = structure_mask(tree["none/anatomy"].to_dataset(), "body")
    assert mask[4, 9, 19]  # in the lung
    assert not mask[4, 0, 25]  # a stray voxel beside the body


def test_empty_structure_is_left_out(small_run: ModuleType) -> None:
    tree = small_run.make_run(("none",))
    tree["none/anatomy"]["gtv"].values[:] = 0.0
    found = arm_objects(tree, "none")["RTSTRUCT.dcm"]
    assert [roi.ROIName for roi in found.StructureSetROISequence] == ["cord", "sac", "target", "body"]


def layers(plan: Dataset) -> list[tuple[int, Dataset]]:
    return [
        (beam.BeamNumber, point) for beam in plan.IonBeamSequence for point in beam.IonControlPointSequence
    ]


def test_spots_of_the_plan_are_those_of_the_run(tree: xr.DataTree, folder: Path) -> None:
    spots = tree["none/spots"].to_dataset()
    plan = pydicom.dcmread(folder / "none" / "RTPLAN.dcm")
    found = []
    for number, point in layers(plan)[::2]:
        places = np.array(point.ScanSpotPositionMap).reshape(-1, 2)
        ions = np.atleast_1d(point.ScanSpotMetersetWeights)
        found += [
            (number - 1, float(point.NominalBeamEnergy), u, v, w * 4 / 1e6)
            for (u, v), w in zip(places, ions, strict=True)
        ]
    names = ("field_index", "spot_energy", "spot_u", "spot_v", "weight")
    rows = zip(*(spots[name].values for name in names), strict=True)
    expected = [row for row in rows if row[-1] > 0.0]
    np.testing.assert_allclose(sorted(found), sorted(expected), rtol=1e-6)


def test_metersets_are_ions_per_fraction(tree: xr.DataTree, folder: Path) -> None:
    spots = tree["none/spots"].to_dataset()
    plan = pydicom.dcmread(folder / "none" / "RTPLAN.dcm")
    group = plan.FractionGroupSequence[0]
    assert group.NumberOfFractionsPlanned == 4
    assert [beam.PrimaryDosimeterUnit for beam in plan.IonBeamSequence] == ["NP", "NP"]
    for beam, named in zip(plan.IonBeamSequence, group.ReferencedBeamSequence, strict=True):
        own = spots["weight"].values[spots["field_index"].values == beam.BeamNumber - 1]
        assert named.ReferencedBeamNumber == beam.BeamNumber
        assert float(named.BeamMeterset) * 4 == pytest.approx(own.sum() * 1e6, rel=1e-6)
        assert float(beam.FinalCumulativeMetersetWeight) == float(named.BeamMeterset)


def test_layers_come_in_pairs_from_the_highest_energy_down(folder: Path) -> None:
    plan = pydicom.dcmread(folder / "none" / "RTPLAN.dcm")
    for beam in plan.IonBeamSequence:
        points = beam.IonControlPointSequence
        energies = [float(point.NominalBeamEnergy) for point in points]
        assert energies[::2] == energies[1::2] == sorted(energies[::2], reverse=True)
        assert [point.ControlPointIndex for point in points] == list(range(beam.NumberOfControlPoints))
        assert all(np.sum(point.ScanSpotMetersetWeights) == 0.0 for point in points[1::2])


def test_geometry_of_the_beams(folder: Path) -> None:
    plan = pydicom.dcmread(folder / "none" / "RTPLAN.dcm")
    first = [beam.IonControlPointSequence[0] for beam in plan.IonBeamSequence]
    assert [float(point.GantryAngle) for point in first] == [90.0, 330.0]
    assert [float(point.PatientSupportAngle) for point in first] == [0.0, 15.0]
    assert [float(point.TableTopRollAngle) for point in first] == [0.0, -12.5]
    assert {float(point.TableTopPitchAngle) for point in first} == {0.0}
    assert [beam.BeamName for beam in plan.IonBeamSequence] == ["field 1", "patch"]
    assert [[float(value) for value in point.IsocenterPosition] for point in first] == [
        [1.25, -3.5, 2.75]
    ] * 2
    assert {
        (b.RadiationType, b.RadiationMassNumber, b.RadiationAtomicNumber) for b in plan.IonBeamSequence
    } == {("ION", 12, 6)}


@pytest.mark.parametrize(
    ("gantry", "couch", "roll"), [(0, 0, 0), (90, 0, 0), (150, 0, 15), (330, 15, -20), (20, 270, 30)]
)
def test_spot_positions_are_in_the_gantry_frame_of_iec_61217(
    gantry: float, couch: float, roll: float
) -> None:
    """The plan states u, v of the fields as x, y of the gantry: both must be the same axes in the patient."""
    turn_gantry = Rotation.from_euler("y", gantry, degrees=True)  # gantry to fixed, carries z to the source
    turn_couch = Rotation.from_euler("z", couch, degrees=True)  # table to fixed, anticlockwise from above
    # table top to table, clockwise as seen from its origin along +y (DICOM PS3.3, C.8.8.25.6.2)
    turn_table_top = Rotation.from_euler("y", roll, degrees=True)
    axes = ((turn_couch * turn_table_top).inv() * turn_gantry).apply(np.eye(3))
    x, y, z = (np.array([left, -up, head]) for left, head, up in axes)  # head first supine
    direction, u, v = beam_axes(*(np.array([float(angle)]) for angle in (gantry, couch, roll)))
    np.testing.assert_allclose([u[0], v[0], -direction[0]], [x, y, z], atol=1e-12)


def test_prescription_and_beam_are_told(folder: Path) -> None:
    plan = pydicom.dcmread(folder / "none" / "RTPLAN.dcm")
    assert float(plan.DoseReferenceSequence[0].TargetPrescriptionDose) == 60.0
    assert "spot size in air 4 mm" in plan.RTPlanDescription
    assert "tumour" not in plan.RTPlanDescription


def test_field_without_spots_is_left_out_and_others_keep_their_number(small_run: ModuleType) -> None:
    tree = small_run.make_run(("none",))
    spots = tree["none/spots"]
    spots["weight"].values[spots["field_index"].values == 0] = 0.0
    plan = arm_objects(tree, "none")["RTPLAN.dcm"]
    assert [beam.BeamNumber for beam in plan.IonBeamSequence] == [2]
    assert plan.FractionGroupSequence[0].NumberOfBeams == 1


def test_a_course_is_a_fraction_group_and_its_weights_are_per_fraction_of_it(
    small_run: ModuleType, tmp_path: Path
) -> None:
    tree = small_run.make_run(("none",))
    spots = tree["none/spots"].to_dataset()
    alternate = spots.assign(
        course_index=schema.variable("course_index", [1, 0]),
        course_fractions=schema.variable("course_fractions", [3, 1]),
    )
    tree["none/spots"] = xr.DataTree(alternate)
    plan = arm_objects(tree, "none")["RTPLAN.dcm"]
    groups = plan.FractionGroupSequence
    assert [group.FractionGroupNumber for group in groups] == [1, 2]
    assert [group.NumberOfFractionsPlanned for group in groups] == [3, 1]
    assert [[named.ReferencedBeamNumber for named in g.ReferencedBeamSequence] for g in groups] == [[2], [1]]
    for group, field in zip(groups, (1, 0), strict=True):
        own = spots["weight"].values[spots["field_index"].values == field].sum()
        ions = float(group.ReferencedBeamSequence[0].BeamMeterset) * group.NumberOfFractionsPlanned
        assert ions == pytest.approx(own * 1e6, rel=1e-6)  # float32 weights
    assert "3 + 1 fractions" in plan.RTPlanDescription
    write_dicom(tree, tmp_path / "out")
    assert read_dose_and_structures(tmp_path / "out" / "none")[2]["fractions"] == 4.0


def test_a_course_without_ions_is_left_out(small_run: ModuleType) -> None:
    tree = small_run.make_run(("none",))
    spots = tree["none/spots"].to_dataset()
    spots["weight"].values[spots["field_index"].values == 0] = 0.0
    tree["none/spots"] = xr.DataTree(
        spots.assign(
            course_index=schema.variable("course_index", [0, 1]),
            course_fractions=schema.variable("course_fractions", [3, 1]),
        )
    )
    groups = arm_objects(tree, "none")["RTPLAN.dcm"].FractionGroupSequence
    assert [(group.FractionGroupNumber, group.NumberOfFractionsPlanned) for group in groups] == [(1, 1)]


def test_single_spot_and_single_slice(small_run: ModuleType, tmp_path: Path) -> None:
    tree = small_run.make_run(("none",))
    spots = tree["none/spots"].to_dataset()
    nodes = {
        "/none/anatomy": tree["none/anatomy"].to_dataset().isel(z=[4]),
        "/none/dose": tree["none/dose"].to_dataset().isel(z=[4]),
        "/none/spots": spots.isel(spot=[1]),
    }
    files = write_dicom(
        xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **nodes}), tmp_path / "dicom"
    )
    assert len(files) == 5
    assert {str(path): found for path in files if (found := errors_of("dciodvfy", [path]))} == {}


def test_one_arm_is_the_same_as_among_all(tree: xr.DataTree, folder: Path, tmp_path: Path) -> None:
    files = write_dicom(tree, tmp_path / "one", arms=["separated"])
    assert {path.relative_to(tmp_path / "one").parts[0] for path in files} == {"separated"}
    assert (tmp_path / "one/separated/RTPLAN.dcm").read_bytes() == (
        folder / "separated/RTPLAN.dcm"
    ).read_bytes()


def test_unknown_arm_is_named(tree: xr.DataTree, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--arm: expected one of none, separated, got decompressed"):
        write_dicom(tree, tmp_path / "dicom", arms=["decompressed"])
    with pytest.raises(InputError, match="--arm: expected at least one of none, separated, got none"):
        write_dicom(tree, tmp_path / "dicom", arms=[])
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_empty_is_refused_and_left_alone(tree: xr.DataTree, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(
        InputError, match=r"--out: expected a new or an empty folder, got .* with notes\.txt in"
    ):
        write_dicom(tree, tmp_path)
    with pytest.raises(InputError, match=r"--out: expected a folder, got the file .*notes\.txt"):
        write_dicom(tree, tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_empty_folder_is_taken(tree: xr.DataTree, tmp_path: Path) -> None:
    write_dicom(tree, tmp_path, arms=["none"])
    assert [path.name for path in tmp_path.iterdir()] == ["none"]


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_when_writing_stops(
    tree: xr.DataTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, there: bool
) -> None:
    folder = tmp_path / "new" / "dicom"
    if there:
        folder.mkdir(parents=True)
    whole = dicom_write.save

    def stop(found: Dataset, path: Path, version: str) -> None:
        if path.name == "RTPLAN.dcm" and "separated" in path.parts:
            raise error
        whole(found, path, version)

    monkeypatch.setattr(dicom_write, "save", stop)
    with pytest.raises((InputError, KeyboardInterrupt)) as said:
        write_dicom(tree, folder)
    if isinstance(error, OSError):
        assert "--out: expected a folder that can be written, got 'No space left on device'" in str(
            said.value
        )
    assert list(tmp_path.iterdir()) == ([tmp_path / "new"] if there else [])
    assert not there or list(folder.iterdir()) == []


DAMAGES = {
    "dose/dose: nan": (np.nan, "none: dose: expected 0 Gy or more"),
    "dose/dose_rbe: negative": (-1.0, "none: dose_rbe: expected 0 Gy or more"),
    "anatomy/hu: nan": (np.nan, r"none: anatomy\.hu: expected finite CT numbers"),
    "spots/weight: nan": (np.nan, r"none: spots\.weight: expected 0 or more"),
    "spots/weight: negative": (-1.0, r"none: spots\.weight: expected 0 or more"),
}


@pytest.mark.parametrize(("place", "value", "message"), [(k, *v) for k, v in DAMAGES.items()])
def test_numbers_that_are_none_are_named(
    small_run: ModuleType, tmp_path: Path, place: str, value: float, message: str
) -> None:
    tree = small_run.make_run(("none",))
    stage, _, name = place.partition(":")[0].partition("/")
    tree[f"none/{stage}"][name].values.flat[3] = value
    with pytest.raises(InputError, match=message) as said:
        write_dicom(tree, tmp_path / "dicom")
    assert len(said.value.lines) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("stage", "name"), [("dose", "dose"), ("spots", "weight")])
def test_all_zero_is_named(small_run: ModuleType, tmp_path: Path, stage: str, name: str) -> None:
    tree = small_run.make_run(("none",))
    tree[f"none/{stage}"][name].values[:] = 0.0
    with pytest.raises(InputError, match=r"above 0 .*somewhere, got 0 to 0"):
        write_dicom(tree, tmp_path / "dicom")


def test_missing_variable_is_named(small_run: ModuleType, tmp_path: Path) -> None:
    tree = small_run.make_run(("none",))
    anatomy = tree["none/anatomy"].to_dataset().drop_vars("hu")
    tree["none/anatomy"] = xr.DataTree(anatomy)
    with pytest.raises(InputError, match="none: anatomy: expected hu, density, x, y, z, got none of hu"):
        write_dicom(tree, tmp_path / "dicom")


def test_uneven_voxels_are_named(small_run: ModuleType, tmp_path: Path) -> None:
    tree = small_run.make_run(("none",))
    anatomy = tree["none/anatomy"].to_dataset()
    x = anatomy["x"].values.copy()
    x[5] += 0.2
    tree["none/anatomy"] = xr.DataTree(anatomy.assign_coords(x=("x", x, anatomy["x"].attrs)))
    with pytest.raises(InputError, match=r"anatomy\.x: expected rising and evenly spaced voxel centres"):
        write_dicom(tree, tmp_path / "dicom")


def test_case_name_is_fitted_into_the_patients_id(small_run: ModuleType) -> None:
    tree = small_run.make_run(("none",))
    tree.attrs["case"] = "a\\b\nc " + "long " * 30
    found = arm_objects(tree, "none")["RTPLAN.dcm"]
    assert found.PatientID.startswith("a/b c long")
    assert len(found.PatientID) == 64


def test_objects_that_do_not_fit_are_an_internal_error(
    tree: xr.DataTree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dicom_write, "reference_problems", lambda datasets: ["here: expected 1, got 2"])
    with pytest.raises(RuntimeError, match="do not fit together: here: expected 1, got 2"):
        write_dicom(tree, tmp_path / "dicom")
    assert list(tmp_path.iterdir()) == []
