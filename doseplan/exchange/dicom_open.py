"""Open DICOM files, but none that unpacks to more than an honest one holds."""

from math import prod
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from doseplan.exchange.sizes import refuse_larger
from doseplan.messages import InputError


def open_dicom(path: Path) -> FileDataset:
    """Read a DICOM file.

    Raises
    ------
    InputError
        The file is too large, or its data set is deflated: how much that unpacks to is known only afterwards.
    Exception
        Whatever pydicom raises on files that are damaged or not DICOM.
    """
    refuse_larger(path.name, path.stat().st_size, what="of a file")
    syntax = read_file_meta_info(path).get("TransferSyntaxUID")
    if syntax == DeflatedExplicitVRLittleEndian:
        raise InputError(f"{path.name}: expected a data set that is not deflated, got {syntax.name}")
    return dcmread(path)


def refuse_large_pixels(where: str, data: Dataset) -> None:
    """Refuse pixels by their stated number, before they are decoded.

    Raises
    ------
    InputError
        Rows, columns and frames make more than one object may hold.
    """
    stated = [data.get(name) or 1 for name in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel")]
    try:
        size = prod(int(value) for value in stated)
    except (TypeError, ValueError):
        raise InputError(f"{where}: Rows, Columns: expected whole numbers, got {stated[:2]}") from None
    refuse_larger(where, size * 8, what="of pixels, as numbers")
