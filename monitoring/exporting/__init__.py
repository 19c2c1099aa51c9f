"""What is true as series for other programs: Prometheus, and whoever takes what it writes."""
