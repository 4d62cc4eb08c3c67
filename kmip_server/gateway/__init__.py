"""The gateway of a site: a DSCC device beside the KMIP server, and the keys that the two share with other sites."""
