{"name": "Kept open", "version": "19.0.1.0.0", "author": "Example", "license": "LGPL-3", "depends": ["base"], "data": []}
