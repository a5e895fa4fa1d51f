"""From particle spectra to RBE-weighted dose."""
