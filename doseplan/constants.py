"""Physical constants, each with its source."""

SPEED_OF_LIGHT = 299_792_458.0
"""[m/s] exact, SI."""

ELECTRON_MASS_MEV = 0.510_998_95
"""[MeV] CODATA 2018."""

ATOMIC_MASS_MEV = 931.494_102
"""[MeV] atomic mass unit, CODATA 2018."""

FINE_STRUCTURE = 1.0 / 137.035_999
"""[1] CODATA 2018."""

BETHE_K = 0.307_075
"""[MeV cm2/mol] 4 pi N_A r_e^2 m_e c^2, Particle Data Group."""

AVOGADRO = 6.022_140_76e23
"""[1/mol] exact, SI."""

GRAY_PER_MEV_PER_GRAM = 1.602_176_634e-10
"""[Gy g/MeV] exact, SI."""

KEV_PER_UM_TO_GRAY_UM2 = 0.160_217_663_4
"""[Gy um2 per keV/um] in water of 1 g/cm3."""

WATER_DENSITY = 0.998
"""[g/cm3] water at 20 C; `depth` in mm is depth in water of this density."""

WATER_I_VALUE_EV = 78.0
"""[eV] mean excitation energy of liquid water, ICRU Report 90."""

WATER_Z_OVER_A = 0.555_087
"""[mol/g] electrons per mass of water."""

WATER_RADIATION_LENGTH = 36.08
"""[g/cm2] Particle Data Group."""
