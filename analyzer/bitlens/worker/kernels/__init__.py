"""Measuring on a GPU: kernels that read a weight once for many formats, and a transfer that never waits."""
