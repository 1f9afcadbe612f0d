"""Each figure beside the peer's, in one run. A module with ``main()`` that gives its Table is a bench;
dropping it in registers it."""
