{"name": "Nightly jobs", "version": "18.0.2.0.0", "author": "Example", "license": "LGPL-3", "depends": ["base"], "data": []}
