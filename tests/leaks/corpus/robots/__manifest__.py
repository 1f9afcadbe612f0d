{"name": "Warehouse robots", "version": "18.0.1.4.0", "depends": ["stock", "bus"], "license": "LGPL-3"}
