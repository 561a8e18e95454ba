"""The stages of paper III-A to III-C, one file each: `inquire(state)` builds question and checks."""
