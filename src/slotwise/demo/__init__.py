"""The rehearsal: an embedded PostgreSQL, the stand-in and an incident."""
