"""What can be said of a program without running it, and of two runs that should be one."""
