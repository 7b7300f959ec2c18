"""The face with a screen: conversations, what is said in one of them, and a line to write."""
