"""One training in several processes, on one machine or many, by MPI: the index of this folder.

    processes = nn.distributed.start()  # in a program that mpiexec started; otherwise it is alone

`processes` starts them and lets them speak.

MPI is imported when `start` finds that a launcher such as mpiexec started this program with others.
`pip install 'tinygrad-lite[mpi]'` brings it, with an mpiexec.
"""

from .processes import Announcement, MPIProcesses, start

__all__ = ["Announcement", "MPIProcesses", "start"]
