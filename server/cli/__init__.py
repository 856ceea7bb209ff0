"""The `metaservice` command: what operators do, from a shell.

channel     where a command goes: to a running service, or straight to a data root that none uses
output      tables for a terminal, lines for a pipe, JSON for a script
options     flags that several commands share
plans, sessions, other      the commands
"""
