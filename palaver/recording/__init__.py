"""Recordings: which form a file has, how it is written, and the child process that writes it."""
