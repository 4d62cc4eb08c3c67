"""The command line `dscc-node`."""
