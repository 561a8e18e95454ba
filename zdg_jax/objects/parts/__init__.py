"""Parts of an object: segmentation of any mesh, and parts by name."""
