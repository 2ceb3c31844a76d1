"""The language server: pygls in front of the analyzer. Nothing else in the project knows the protocol."""
