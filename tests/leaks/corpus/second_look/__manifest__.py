{
    "name": "Second look",
    "version": "16.0.1.0.0",
    "author": "Example",
    "license": "LGPL-3",
    "depends": ["base"],
}
