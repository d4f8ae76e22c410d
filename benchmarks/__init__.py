"""Side-by-side timings of the engines; ``python -m benchmarks`` or ``make bench``."""
