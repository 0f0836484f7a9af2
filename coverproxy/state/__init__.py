"""Keys, and how many covers each has made: what must survive a restart and be exact between processes."""
