{"name": "Held too long", "version": "18.0.1.0.0", "author": "Example", "license": "LGPL-3", "depends": ["base"], "data": []}
