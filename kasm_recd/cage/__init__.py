"""What a worker may touch: its own folder and what its command line names. Nothing else.

The kernel holds it to that: Landlock for files, signals and other processes' memory, seccomp for
the calls that Landlock does not know (sockets, owners and modes, priorities of others). Both are
taken on by the worker's own process (:mod:`kasm_recd.cage.confine`), right before it becomes the
program, and cannot be taken off again, by whatever the program is talked into.

Nothing here imports more than it must: every worker pays for it.
"""
