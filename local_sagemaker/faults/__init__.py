"""Misbehaviour on request: what can go wrong, which requests it strikes, how to ask for it."""
