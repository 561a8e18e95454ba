"""What the stages' rule answers share: table, sentence, roles of parts, scores of directions (DESIGN §5)."""
