"""Every damage that no validator sees is found, and named in one line."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pydicom
import pytest
from pydicom.dataset import Dataset

from doseplan.exchange.dicom_check import reference_problems
from doseplan.exchange.dicom_write import arm_objects, write_dicom

Objects = dict[str, Dataset]


@pytest.fixture(scope="module")
def whole(small_run: ModuleType) -> Objects:
    return arm_objects(small_run.make_run(("none",)), "none")


@pytest.fixture
def objects(whole: Objects) -> Objects:
    return copy.deepcopy(whole)


def beam(objects: Objects, index: int = 0) -> Dataset:
    found = objects["RTPLAN.dcm"].IonBeamSequence[index]
    assert isinstance(found, Dataset)
    return found


def contour(objects: Objects) -> Dataset:
    found = objects["RTSTRUCT.dcm"].ROIContourSequence[1].ContourSequence[3]
    assert isinstance(found, Dataset)
    return found


def no_image(objects: Objects) -> None:
    del objects["CT/CT_0004.dcm"]


def no_structure_set(objects: Objects) -> None:
    del objects["RTSTRUCT.dcm"]


def no_plan(objects: Objects) -> None:
    del objects["RTPLAN.dcm"]


def wrong_image_of_a_contour(objects: Objects) -> None:
    contour(objects).ContourImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def wrong_class(objects: Objects) -> None:
    objects["RTPLAN.dcm"].ReferencedStructureSetSequence[0].ReferencedSOPClassUID = "1.2.840.1"


def same_name_twice(objects: Objects) -> None:
    objects["CT/CT_0002.dcm"].SOPInstanceUID = objects["CT/CT_0001.dcm"].SOPInstanceUID


def other_frame_of_dose(objects: Objects) -> None:
    objects["RTDOSE_physical.dcm"].FrameOfReferenceUID = "1.2.3"


def other_frame_of_a_structure(objects: Objects) -> None:
    objects["RTSTRUCT.dcm"].StructureSetROISequence[2].ReferencedFrameOfReferenceUID = "1.2.3"


def too_many_points_stated(objects: Objects) -> None:
    beam(objects).NumberOfControlPoints = 8


def one_point_lost(objects: Objects) -> None:
    del beam(objects).IonControlPointSequence[-1]


def points_swapped(objects: Objects) -> None:
    beam(objects).IonControlPointSequence[0].ControlPointIndex = 1


def position_lost(objects: Objects) -> None:
    point = beam(objects).IonControlPointSequence[2]
    point.ScanSpotPositionMap = point.ScanSpotPositionMap[:-1]


def weight_lost(objects: Objects) -> None:
    point = beam(objects).IonControlPointSequence[3]
    point.ScanSpotMetersetWeights = point.ScanSpotMetersetWeights[:-1]


def spots_miscounted(objects: Objects) -> None:
    beam(objects, 1).IonControlPointSequence[0].NumberOfScanSpotPositions = 99


def weight_changed(objects: Objects) -> None:
    point = beam(objects).IonControlPointSequence[0]
    point.ScanSpotMetersetWeights = [
        point.ScanSpotMetersetWeights[0] * 1.01,
        *point.ScanSpotMetersetWeights[1:],
    ]


def final_changed(objects: Objects) -> None:
    beam(objects).FinalCumulativeMetersetWeight = "1"


def unknown_beam(objects: Objects) -> None:
    objects["RTPLAN.dcm"].FractionGroupSequence[0].ReferencedBeamSequence[0].ReferencedBeamNumber = 7


def beams_miscounted(objects: Objects) -> None:
    objects["RTPLAN.dcm"].FractionGroupSequence[0].NumberOfBeams = 3


def beam_number_twice(objects: Objects) -> None:
    beam(objects, 1).BeamNumber = 1


def offset_lost(objects: Objects) -> None:
    found = objects["RTDOSE_effective.dcm"]
    found.GridFrameOffsetVector = found.GridFrameOffsetVector[:-1]


def contour_point_lost(objects: Objects) -> None:
    contour(objects).ContourData = contour(objects).ContourData[:-3]


def contour_miscounted(objects: Objects) -> None:
    contour(objects).NumberOfContourPoints = 1


def unknown_structure(objects: Objects) -> None:
    objects["RTSTRUCT.dcm"].RTROIObservationsSequence[0].ReferencedROINumber = 42


DAMAGES: list[tuple[Callable[[Objects], None], str]] = [
    (no_image, "expected all 9 referenced objects in the set, got 1 that are not"),
    (no_structure_set, "expected all 1 referenced objects in the set, got 1 that are not"),
    (no_plan, "expected all 1 referenced objects in the set, got 1 that are not"),
    (
        wrong_image_of_a_contour,
        "expected all 10 referenced objects in the set, got 1 that are not, first 1.2.3",
    ),
    (wrong_class, "expected a reference by class 1.2.840.10008.5.1.4.1.1.481.3, got 1.2.840.1"),
    (same_name_twice, "expected a SOPInstanceUID of its own, got"),
    (other_frame_of_dose, "expected the frame of reference"),
    (other_frame_of_a_structure, "expected the frame of reference"),
    (too_many_points_stated, "beam 1: NumberOfControlPoints: expected 6 as there are, got 8"),
    (one_point_lost, "beam 1: NumberOfControlPoints: expected 5 as there are, got 6"),
    (points_swapped, "beam 1: ControlPointIndex: expected 0, 1, 2, ..., got"),
    (position_lost, "beam 1 control point 2: ScanSpotPositionMap: expected 6 coordinates of 3 spots, got 5"),
    (weight_lost, "beam 1 control point 3: ScanSpotMetersetWeights: expected 3 weights of 3 spots, got 2"),
    (
        spots_miscounted,
        "beam 2 control point 0: ScanSpotMetersetWeights: expected 99 weights of 99 spots, got",
    ),
    (weight_changed, "beam 1 control point 1: CumulativeMetersetWeight: expected"),
    (final_changed, "beam 1: FinalCumulativeMetersetWeight: expected"),
    (unknown_beam, "fraction group 1: ReferencedBeamNumber: expected numbers of [1, 2], got [7, 2]"),
    (beams_miscounted, "fraction group 1: NumberOfBeams: expected 2 as beams named, got 3"),
    (beam_number_twice, "BeamNumber: expected a number of its own for every beam, got [1, 1]"),
    (offset_lost, "GridFrameOffsetVector: expected 9 offsets as NumberOfFrames, got 8"),
    (contour_point_lost, "structure 2 contour 3: NumberOfContourPoints: expected a third of"),
    (contour_miscounted, "structure 2 contour 3: NumberOfContourPoints: expected a third of"),
    (unknown_structure, "RTROIObservationsSequence: expected a structure of [1, 2, 3, 4, 5], got 42"),
]


def test_written_objects_have_no_problem(objects: Objects) -> None:
    assert reference_problems(list(objects.values())) == []


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_damage_is_found(objects: Objects, damage: Callable[[Objects], None], message: str) -> None:
    damage(objects)
    found = reference_problems(list(objects.values()))
    assert any(message in line for line in found), found
    assert all("\n" not in line and ": expected " in line and ", got " in line for line in found)


def test_files_are_named_and_read_without_pixels(small_run: ModuleType, tmp_path: Path) -> None:
    files = write_dicom(small_run.make_run(("none", "separated")), tmp_path / "dicom")
    found = [pydicom.dcmread(path, stop_before_pixels=True) for path in files]
    assert reference_problems(found) == []
    only = [each for each in found if each.Modality != "RTSTRUCT"]
    lines = reference_problems(only)
    assert [line.partition(":")[0] for line in lines] == ["RTPLAN.dcm", "RTPLAN.dcm"]


@pytest.mark.parametrize("keyword", ["FinalCumulativeMetersetWeight", "NumberOfControlPoints"])
def test_missing_attributes_are_problems_too(objects: Objects, keyword: str) -> None:
    delattr(beam(objects), keyword)
    assert any(keyword in line for line in reference_problems(list(objects.values())))


def test_bare_objects_are_no_reason_to_stop() -> None:
    bare = [Dataset() for _ in range(4)]
    for found, modality in zip(bare, ("CT", "RTSTRUCT", "RTPLAN", "RTDOSE"), strict=True):
        found.Modality, found.SOPInstanceUID = modality, f"1.2.{len(modality)}.{modality.count('T')}"
    bare[2].IonBeamSequence = [Dataset()]
    assert all(": expected " in line for line in reference_problems(bare))
