"""The HTTP face: /metrics and the live page. No decisions."""
