"""Files: run folders, CTs with contours, DICOM."""

from doseplan.exchange.files import read_dataset, write_dataset, write_text
from doseplan.exchange.roles import find_structure, kind_of_cord, require_structure, role_of
from doseplan.exchange.runs import (
    check_folder,
    open_run,
    read_arm,
    read_run,
    run_digest,
    set_damaged_aside,
    write_arm,
    write_attributes,
    write_run,
)
from doseplan.exchange.scan import make_scan, read_scan, write_scan
from doseplan.exchange.studies import (
    POPULATION_FILE,
    STUDY_FILE,
    finished_points,
    finished_verdicts,
    read_point,
    read_point_proof,
    read_point_spots,
    read_verdict,
    write_point,
    write_point_proof,
    write_verdict,
)

__all__ = [
    "POPULATION_FILE",
    "STUDY_FILE",
    "check_folder",
    "find_structure",
    "finished_points",
    "finished_verdicts",
    "kind_of_cord",
    "make_scan",
    "open_run",
    "read_arm",
    "read_dataset",
    "read_point",
    "read_point_proof",
    "read_point_spots",
    "read_run",
    "read_scan",
    "read_verdict",
    "require_structure",
    "role_of",
    "run_digest",
    "set_damaged_aside",
    "write_arm",
    "write_attributes",
    "write_dataset",
    "write_point",
    "write_point_proof",
    "write_run",
    "write_scan",
    "write_text",
    "write_verdict",
]
