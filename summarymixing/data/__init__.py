"""From manifests to batches: datasets, tokenizers, labels, augmentation."""
