"""The voices: a result in, text, JSON, SARIF, JUnit, HTML or Prometheus text out."""
