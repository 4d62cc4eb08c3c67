"""What DSCC costs: a key for two, a key for a group, a fleet of devices; beside TLS handshakes of the same run."""
