"""The signed distance field of an object: exact distances, building, look-up."""
