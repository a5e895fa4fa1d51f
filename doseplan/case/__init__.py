"""What a person states: the case file, parsed strictly into frozen dataclasses."""
