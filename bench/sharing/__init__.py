"""What keys that two sites share cost, beside keys of one site: three nodes and two gateways on this machine."""
