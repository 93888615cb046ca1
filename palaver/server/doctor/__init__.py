"""What `palaver doctor` finds out: whether a server could run here, or how well the running one does.

Checks look and never change anything; each yields findings in the order in which a person wants them.
"""
