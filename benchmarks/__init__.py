"""Table specs, installed as `ctrbench.benchmarks`, and benchmarks of speed."""
