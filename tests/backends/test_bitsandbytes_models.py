"""Which layers transformers really replaces with bitsandbytes' own."""

from __future__ import annotations

import pytest
import transformers
from backends import models
from bitlens import backends, schemes
from transformers.quantizers.base import get_keys_to_not_convert

pytest.importorskip("bitsandbytes")

BUILDS = (models.llama, models.gpt2, models.t5, models.mixtral, models.minilm)


@pytest.mark.parametrize("scheme_id", ["bitsandbytes.int8", "bitsandbytes.nf4"])
@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_the_same_layers_are_converted(build, scheme_id: str) -> None:
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear

    model, scheme, backend = build(), schemes.get(scheme_id), backends.get("bitsandbytes")
    ours = {f.path for f, _ in models.layers(model) if backend.converts(f, scheme).reason is None}
    names: dict = {}
    exec(backend.snippet(scheme), names)
    config = names["quantization_config"]
    assert isinstance(config, transformers.BitsAndBytesConfig)
    replaced = replace_with_bnb_linear(
        model, modules_to_not_convert=get_keys_to_not_convert(model), quantization_config=config
    )
    theirs = {path for path, module in replaced.named_modules() if "bitsandbytes" in type(module).__module__}
    assert ours == theirs
