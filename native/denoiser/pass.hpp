// One forward pass over a batch of crystals: its arrays and what it is made of.
#pragma once

#include "weights.hpp"

namespace gencsp::GENCSP_ISA {

constexpr int kAngular = 9;            // harmonics with l = 0, 1, 2
constexpr int kMostRadial = 32;        // radial functions
constexpr float kNormEpsilon = 1e-5f;  // PyTorch's LayerNorm

struct Pass {
    const Weights& w;
    const Batch& in;
    const Neighbours& near;
    Workspace& work;
    const Prediction& out;
    int next_buffer = 0;
    const int n, b, c, k;  // atoms, crystals, features, radial functions

    float* basis;                      // [pairs][9][k]
    float *noise, *scalars, *vectors;  // [b][c], [n][c], [n][3][c]
    float *normed, *sent, *old;        // [n][c], [n][c], [n][3][c] before mixing
    float* radial;                     // [b][3][k][c]
    float *density[3], *a0, *a2;       // [(2l + 1) n][c]; mixed: [n][c], [5n][c]
    float *candidates, *vector_sent;   // [3n][2c or 4c], [3n][c]
    float *mixed, *invariants;         // [3n][2c], [n][5c or 6c]
    float *hidden, *gates;             // [n][2c], [n][4c]
    float* of_crystals;                // [b][4c]
    // Structure factors, m waves: cosines and sines; the same times wave vectors.
    float *waves, *directed, *wave_radial;  // [n][2m], [3n][2m], [b][m][k]
    float *filter, *level;                  // [m][2c], [b][2c]
    float *factors, *even, *odd;            // [2m][c]
    float *received, *slope;                // [n][2c] beside what was there, [3n][c]
    float *context, *context_hidden;        // [b][2c], [b][c]

    Pass(const Weights& weights, const Batch& batch, const Neighbours& neighbours,
         Workspace& workspace, const Prediction& prediction)
        : w(weights),
          in(batch),
          near(neighbours),
          work(workspace),
          out(prediction),
          n(batch.n_atoms),
          b(batch.n_crystals),
          c(weights.channels),
          k(weights.n_radial) {}

    void run();

private:
    float* rows(long count, long width) {
        return work.buffer[next_buffer++].floats((size_t)(count + kSpareRows) * (size_t)width);
    }
    int atoms_of(int crystal) const { return in.first[crystal + 1] - in.first[crystal]; }

    void allocate();
    void expand_pairs();
    void expand_waves();
    void begin();
    void normalise(int count, int width, const Norm& norm, const float* from, float* to) const;
    void split_product(const SplitLinear& map, int width, const float* atoms, float* to);
    void gather_density(int atom, int harmonic, const float* features, const float* weight,
                        float* to) const;

    void context_layer(const Context& layer);
    void density_layer(const DensityLayer& layer, bool first);
    void densities(const DensityLayer& layer);
    void carry(const DensityLayer& layer, int wide);
    void bend(int wide);
    void update(const DensityLayer& layer, bool first, int wide);
    void wave_layer(const WaveLayer& layer);
    void structure_factors(const WaveLayer& layer, int crystal);
    void finish();
    void read_vectors();
    void read_species();
    void read_tensors();
};

inline void Pass::allocate() {
    const int m = w.joint ? w.n_waves : 0;
    basis = rows(near.first_pair[n], kAngular * k);
    noise = rows(b, c);
    scalars = rows(n, c);
    vectors = rows(3L * n, c);
    normed = rows(n, c);
    sent = rows(n, c);
    old = rows(3L * n, c);
    radial = rows(b, 3L * k * c);
    for (int l = 0; l < 3; ++l) density[l] = rows((2L * l + 1) * n, c);
    a0 = rows(n, c);
    a2 = rows(5L * n, c);
    candidates = rows(3L * n, 4 * c);
    vector_sent = rows(3L * n, c);
    mixed = rows(3L * n, 2 * c);
    invariants = rows(n, 6 * c);
    hidden = rows(n, 2 * c);
    gates = rows(n, 4 * c);
    of_crystals = rows(b, 4 * c);
    if (!w.joint) return;
    waves = rows(n, 2 * m);
    directed = rows(3L * n, 2 * m);
    wave_radial = rows((long)b * m, k);
    filter = rows(m, 2 * c);
    level = rows(b, 2 * c);
    factors = rows(2L * m, c);
    even = rows(2L * m, c);
    odd = rows(2L * m, c);
    received = rows(n, 2 * c);
    slope = rows(3L * n, c);
    context = rows(b, 2 * c);
    context_hidden = rows(b, c);
}

}  // namespace gencsp::GENCSP_ISA
