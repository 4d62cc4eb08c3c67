"""The command lines `dscc` and `dscc-agent`."""
