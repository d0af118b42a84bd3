"""Built-in degradations: how LR is made, one folder each with a card and a class."""
