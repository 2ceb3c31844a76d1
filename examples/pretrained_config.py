"""A transformers model from a configuration: no weights, nothing is downloaded.

model: model transformers.BertModel 14976
"""

import torch
from transformers import BertConfig, BertModel

config = BertConfig(vocab_size=100, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
config.hidden_size = 32
config.max_position_embeddings = 64
model = BertModel(config)
model.to(torch.bfloat16)
print(model.dtype)
