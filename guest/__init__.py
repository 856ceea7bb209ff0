"""What is built into the sandbox. Standard library only; nothing on the host imports it to run a plan.

Whatever happens in here after a plan has run is untrusted: the host checks every answer again.
"""
