"""The stopping power's parts against what they stand for."""

import numpy as np
import pytest
from scipy.special import digamma

from doseplan.beam.species import relativistic
from doseplan.beam.stopping import JOIN_ENERGY, _bloch
from doseplan.constants import ATOMIC_MASS_MEV, FINE_STRUCTURE


@pytest.mark.parametrize("charge", [1, 2, 6, 10])
def test_bloch_series_is_the_digamma_function(charge):
    beta2, _, _ = relativistic(np.geomspace(JOIN_ENERGY, 1000.0, 200), ATOMIC_MASS_MEV)
    beta = np.sqrt(beta2)
    expected = digamma(1.0) - digamma(1.0 + 1j * charge * FINE_STRUCTURE / beta).real
    # the digamma functions are numbers near 1: a few roundings of their difference
    np.testing.assert_allclose(_bloch(charge, beta), expected, rtol=0.0, atol=4e-15)
