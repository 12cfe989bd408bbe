// The network of CHGNet as plain functions of distances and angles, once per instruction set.
#pragma once

#include "buffer.hpp"
#include "classes.hpp"
#include "linear.hpp"

namespace gencsp {

constexpr int kFeatures = 64;  // width of every feature vector of CHGNet
constexpr int kConvolutions = 4;
constexpr int kElements = 94;
constexpr int kReadoutLayers = 3;  // at most, before the last linear map

// A gated perceptron, silu(norm(core(x))) * sigmoid(norm(gate(x))); one or two linear layers each.
struct RawGated {
    RawLinear core[2], gate[2];
    RawNorm core_norm, gate_norm;
};

// The weights of a model, pointing at arrays that someone else keeps.
struct RawModel {
    int n_radial = 0, n_fourier = 0, n_readout = 0;
    double atom_cutoff = 0.0, bond_cutoff = 0.0;
    int envelope_power = 0;
    const float* atom_embedding = nullptr;     // [kElements][kFeatures]
    const float* reference_energy = nullptr;   // [kElements], eV
    const float* atom_frequencies = nullptr;   // [n_radial]
    const float* bond_frequencies = nullptr;   // [n_radial]
    const float* angle_frequencies = nullptr;  // [n_fourier]
    RawLinear bond_embedding, bond_weights_atom, bond_weights_bond, angle_embedding;
    RawGated atom_conv[kConvolutions], bond_conv[kConvolutions - 1],
        angle_update[kConvolutions - 1];
    RawLinear atom_out[kConvolutions], bond_out[kConvolutions - 1];
    RawLinear site_wise, readout[kReadoutLayers + 1];
    RawNorm readout_norm;
};

// Threads that do the parts of one crystal together; none where `run` is null.
struct Crew {
    void* team = nullptr;
    // Calls job(context, part) for every part, and returns when all have ended.
    void (*run)(void* team, int parts, void (*job)(void*, int), void* context) = nullptr;
};

// Memory of one crystal at a time, reused from call to call, and who works on it.
struct Workspace {
    static constexpr int kBuffers = 192;
    Buffer buffer[kBuffers];
    Crew crew;
};

// Where the results go. Null `magmom`: not wanted. Null derivatives: forward pass only.
struct NetworkOutput {
    double* site_energy = nullptr;  // [n_atoms] of one atom, eV
    double* magmom = nullptr;       // [n_atoms] of one atom, Bohr magnetons
    double* d_distance = nullptr;   // [n_edges] of all edges of a class together, eV/Å
    double* d_angle = nullptr;      // [n_corners] likewise, eV/radian
};

// The kernels of one instruction set. `pack` copies the weights into the order that they need.
struct Kernels {
    const char* name;
    void* (*pack)(const RawModel& model);
    void (*release)(void* packed);
    void (*run)(const void* packed, const GraphView& graph, Workspace& workspace,
                const NetworkOutput& output);
};

const Kernels& kernels_baseline();
#ifdef GENCSP_X86
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();
#endif

}  // namespace gencsp
