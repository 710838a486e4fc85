"""The frame theatre: frames on their way to some clients, and one of them taken apart."""
