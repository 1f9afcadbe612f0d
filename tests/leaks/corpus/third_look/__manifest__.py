{
    "name": "Third look",
    "version": "18.0.1.0.0",
    "depends": ["base", "stock", "sale"],
    "license": "LGPL-3",
}
