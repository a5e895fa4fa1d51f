"""What is known from patients, each time with the number of them."""

from doseplan.evaluation.cord_model import OBSERVED

OUTCOMES = (
    "Carbon ions after separation surgery (CIRT-SS): 7 of 8 controlled where it was the first treatment, 0 "
    "of 3 after a recurrence; no myelopathy in 11 (Matsumoto 2019, n = 11, median follow-up 25 months). With "
    "8 patients the true rate may lie anywhere from 47 to 99.7 % (95 %).",
    f"Spinal cord after carbon ions to the spine: {OBSERVED}.",
    "GyE of the NIRS scale is not photon gray. No number here predicts what happens to a patient.",
)
