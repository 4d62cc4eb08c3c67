"""Typed messages: request and response headers, batch items and shared structures, declared as tables of fields."""
