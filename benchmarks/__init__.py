"""What `make bench` measures: each figure a ratio of two measurements in the same run, on the same database."""
