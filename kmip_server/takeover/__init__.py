"""Taking over another KMIP server: its configuration, its policies, its objects."""
