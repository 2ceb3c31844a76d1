"""Parts of `bitlens.source.slice`: what statements do, which of them a model needs, and how the rest is
blanked."""
