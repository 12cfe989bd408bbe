"""How GPAW is built for the test: no MPI, no libxc (it knows PBE), no library of the system."""

compiler = "g++"
mpi = False
nolibxc = True
fftw = False
scalapack = False
libraries: list[str] = []
