"""Reading hands: card, model files, kinematic tree, coupling, skin and spheres."""
