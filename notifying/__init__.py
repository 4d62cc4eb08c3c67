"""Notifications on their way out: one module for each transport, and the deliverer that empties the outbox."""
