"""Tables shipped with the package; each names its source and units."""
