// Neighbours of the atoms of periodic crystals within reach * (V/N)^(1/3), images included.
#pragma once

#include <vector>

#include "kernels.hpp"

namespace gencsp::denoiser {

// The arrays behind a view of neighbours, reused from call to call.
struct Surroundings {
    std::vector<int> first_pair, neighbour, first_edge;
    std::vector<Edge> edges;
    std::vector<float> cutoff;
    std::vector<double> fractional, reciprocal, volume;

    Neighbours find(const Batch& batch, double reach);

private:
    void find_crystal(const Batch& batch, int crystal, double cutoff);
};

}  // namespace gencsp::denoiser
