"""The user study: people see three pictures of a person and point at the one that was made by a
computer.
"""
