"""Making a hand: propose a card, validate it, build human16."""
