"""The benchmark: this server, PyKMIP's own server and a transport ceiling, side by side in one run."""
