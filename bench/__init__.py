"""Each figure beside the peer's, in one run. A module with ``main()`` is a bench; dropping it in registers it."""
