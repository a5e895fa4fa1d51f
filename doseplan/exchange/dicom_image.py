"""CT images out of an anatomy: one file for each slice."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from doseplan.exchange.dicom_common import (
    Grid,
    Source,
    add_frame_of_reference,
    add_plane,
    grid_of,
    position,
    start_object,
)
from doseplan.messages import InputError

WINDOW = ("40", "400")
"""Centre and width [HU] that viewers open with: soft tissue."""


def ct_slices(anatomy: xr.Dataset, source: Source) -> list[Dataset]:
    """Make a CT image of every slice, from the feet to the head.

    Parameters
    ----------
    anatomy
        `hu` over z, y, x; stored as whole numbers from -32768 to 32767, slope 1, intercept 0.

    Raises
    ------
    InputError
        A CT number is not finite.
    """
    grid = grid_of(anatomy, f"{source.arm}: anatomy")
    hu = anatomy["hu"].values
    if not np.isfinite(hu).all():
        raise InputError(f"{source.arm}: anatomy.hu: expected finite CT numbers, got NaN or infinity")
    pixels = np.clip(np.rint(hu), -32768, 32767).astype("<i2")
    return [_slice(source, grid, index, plane) for index, plane in enumerate(pixels)]


def _slice(source: Source, grid: Grid, index: int, pixels: NDArray[np.int16]) -> Dataset:
    """Describe one slice; what a scanner would know (voltage, acquisition) stays empty."""
    found = start_object(source, CTImageStorage, "CT", "CT", index)
    add_frame_of_reference(found, source)
    z = float(grid.centres(2)[index])
    add_plane(found, grid, z)
    found.PixelRepresentation = 1
    found.PixelData = pixels.tobytes()
    found.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    found.PatientPosition = "HFS"
    found.BodyPartExamined = "SPINE"
    found.AcquisitionNumber = None
    found.KVP = None
    found.SliceLocation = position(z)
    found.RescaleSlope, found.RescaleIntercept, found.RescaleType = "1", "0", "HU"
    found.WindowCenter, found.WindowWidth = WINDOW
    return found
