"""The contracts of plug-ins, their cards, and how they are found and named."""
