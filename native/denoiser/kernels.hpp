// The networks of gencsp.diffusion.networks.density and .joint, forward only, on one instruction
// set: weights as they are in the state dictionary, and the arrays that a pass reads and writes.
#pragma once

#include "../buffer.hpp"
#include "../linear.hpp"

namespace gencsp::denoiser {

// DensityLayer; the first one has no vectors to begin with.
struct RawDensityLayer {
    RawNorm norm, update_norm;
    RawLinear send, radial, mix[3], vector_send, vector_mix, update[2];
    const float* vector_radial = nullptr;  // [n_radial][channels]
};

struct RawWaveLayer {
    RawNorm norm;
    RawLinear send, filter, level, update[2];
};

struct RawContext {
    RawNorm norm;
    RawLinear update, out;
};

struct RawTensorReadout {
    RawNorm norm;
    RawLinear send, radial, gate, pool;
};

constexpr int kMostLayers = 8;
constexpr int kElements = 95;  // rows of the embedding, by atomic number

struct RawNetwork {
    int channels = 0, layers = 0, n_radial = 0, waves = 0;
    double reach = 0.0;  // cutoff in units of (V/N)^(1/3)
    bool joint = false;
    const float* element = nullptr;  // [kElements][channels]
    RawLinear start;
    RawDensityLayer density[kMostLayers];
    RawWaveLayer wave[kMostLayers];
    RawContext context[kMostLayers];
    RawLinear gate[2];
    RawLinear readout;                                    // DensityNetwork
    RawLinear displacement, gradient, species[2], shown;  // JointNetwork
    RawTensorReadout tensor;
};

// Crystals one behind the other: atoms first[b] .. first[b + 1] belong to crystal b.
struct Batch {
    int n_crystals = 0, n_atoms = 0;
    const int* first = nullptr;         // [n_crystals + 1], from 0 on
    const int* numbers = nullptr;       // [n_atoms], 0 for a hidden species
    const double* positions = nullptr;  // [n_atoms][3], Å
    const double* cells = nullptr;      // [n_crystals][3][3], rows, Å
    const float* noise = nullptr;       // [n_crystals][channels]: features of noise and conditions
};

struct Edge {
    float x, y, z;   // unit vector from the centre to the image of the neighbour
    float distance;  // Å
};

// Pairs of atoms i, j of a crystal, and the images of j around i as edges of the pair. Pairs are
// sorted by i, then by j.
struct Neighbours {
    const int* first_pair = nullptr;     // [n_atoms + 1]
    const int* neighbour = nullptr;      // [pairs], j among all atoms of the batch
    const int* first_edge = nullptr;     // [pairs + 1]
    const Edge* edges = nullptr;         // [edges], those of a pair one behind the other
    const float* cutoff = nullptr;       // [n_crystals], Å
    const double* fractional = nullptr;  // [n_atoms][3]
    const double* reciprocal = nullptr;  // [n_crystals][3][3], rows b_k, a_i . b_k = (i == k), 1/Å
    const double* volume = nullptr;      // [n_crystals], Å^3
};

// What a pass gives; c channels. The joint network's arrays are null for the other.
struct Prediction {
    float* vectors = nullptr;   // [n_atoms][3]: displacements before their gain
    float* gradient = nullptr;  // [n_atoms][3]: likewise, as gradients
    float* logits = nullptr;    // [n_atoms][kElements]: without the term of elements that show
    float* shown = nullptr;     // [n_atoms][2]: weights of that term
    float* tensor = nullptr;    // [n_crystals][9]: symmetric, traceless part and dyads
    float* pooled = nullptr;    // [n_crystals][2c]
    float* noise = nullptr;     // [n_crystals][c]: as the last layer leaves it
};

// Memory of one thread, reused from call to call.
struct Workspace {
    static constexpr int kBuffers = 64;
    Buffer buffer[kBuffers];
};

struct Kernels {
    const char* name;
    void* (*pack)(const RawNetwork& network);
    void (*release)(void* packed);
    void (*run)(const void* packed, const Batch& batch, const Neighbours& near,
                Workspace& workspace, const Prediction& out);
};

const Kernels& kernels_baseline();
#ifdef GENCSP_X86
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();
#endif

}  // namespace gencsp::denoiser
