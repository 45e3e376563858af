"""Out of the simulation and back: spike trains, NIR graphs, rate networks, the program itself."""
