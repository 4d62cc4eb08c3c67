"""Stories that run: `make demo-dscc`."""
