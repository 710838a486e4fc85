"""What a capture holds, and what each layer would make of it."""
