"""A model of a library: its layers are constructed in the library's files."""

from transformers import BertConfig, BertModel

small = BertConfig(vocab_size=500, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
model = BertModel(small)
