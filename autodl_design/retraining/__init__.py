"""The training of one network: settings, images, what it depends on, its state between epochs."""
