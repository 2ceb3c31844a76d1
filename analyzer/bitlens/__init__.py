"""See the bits in your model: dtype, memory and quantization error of every layer, at its line."""

__version__ = "0.1.0"
