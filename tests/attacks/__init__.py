"""Attacks upon the running product, each from the outside: what it must survive, and what that may cost."""
