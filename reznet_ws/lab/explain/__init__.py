"""What the notebooks take apart, one question at a time."""
