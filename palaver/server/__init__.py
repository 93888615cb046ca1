"""Configuration, composition, lifecycle, metrics and the command line: the only place that knows every part."""
