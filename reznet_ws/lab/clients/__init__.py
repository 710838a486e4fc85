"""Simulated clients, and sockets that keep every byte."""
