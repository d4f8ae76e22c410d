"""What people touch: the command line, progress, exchange files, helpers for notebooks."""
