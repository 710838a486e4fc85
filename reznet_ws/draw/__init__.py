"""How pictures and tables look."""
