"""From the case to the voxel model of the patient, before and after surgery."""
