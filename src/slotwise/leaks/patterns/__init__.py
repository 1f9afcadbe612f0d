"""One file, one pattern: dropping it in registers it. ``swNNN_slug.py`` holds TITLE, SEVERITY and ``find``.

The docstring is the pattern's page: one sentence that names the problem, then *Why it matters*, *Evidence*, *Fix* and
*When to ignore it*.
"""
