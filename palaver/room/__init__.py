"""What a conference is and what may happen in it: pure, without I/O, clocks or randomness."""
