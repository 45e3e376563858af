"""What is rewritten in a program before it runs, so that it takes less memory and time."""
