"""What a phrase asks for: a noun, colours, a place among others, a size, how many. Pure functions of text."""
