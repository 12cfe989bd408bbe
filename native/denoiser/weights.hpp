// The weights of a network in the order that the products read them.
//
// First layers that read the features of atoms beside those of their crystal are split in two: what
// the crystal gives is the same for all of its atoms. The elements' part of the first features is a
// table.
#pragma once

#include "kernels.hpp"
#include "products.hpp"

namespace gencsp::GENCSP_ISA {

using namespace gencsp::denoiser;

struct Linear {
    Matrix map;
    const float* bias = nullptr;  // padded; null for none
};

// A linear map of the features of atoms beside those of crystals.
struct SplitLinear {
    Matrix of_atoms;
    Linear of_crystals;
};

struct Norm {
    const float* gain = nullptr;
    const float* shift = nullptr;
};

struct DensityLayer {
    Norm norm, update_norm;
    Linear send, radial, mix[3], vector_send, vector_mix, update[2];
    const float* vector_radial = nullptr;
};

struct WaveLayer {
    Norm norm;
    Linear send, filter, level, second;
    SplitLinear first;
};

struct Context {
    Norm norm;
    Linear update, out;
};

struct TensorReadout {
    Norm norm;
    Linear send, radial, gate, pool;
};

struct Weights {
    int channels, layers, n_radial, n_waves;
    bool joint;
    const float* element;  // [kElements][c]
    Linear start;          // of the crystals' features
    DensityLayer density[kMostLayers];
    WaveLayer wave[kMostLayers];
    Context context[kMostLayers];
    SplitLinear gate_first, species_first, shown;
    Linear gate_second, species_second;
    const float *readout, *displacement, *gradient;
    TensorReadout tensor;
    int* triples;    // [n_waves][3]
    float** memory;  // blocks, to be freed
    int blocks;
};

constexpr int kMostBlocks = 512;

static float* keep(Weights& w, long count) {
    float* block = (float*)aligned_alloc(64, (size_t)(count + 31) / 16 * 64);
    memset(block, 0, (size_t)(count + 31) / 16 * 64);
    w.memory[w.blocks++] = block;
    return block;
}

static const float* keep_copy(Weights& w, const float* from, int count) {
    if (!from) return nullptr;
    float* to = keep(w, padded(count));
    memcpy(to, from, (size_t)count * sizeof(float));
    return to;
}

// Inputs from `begin` on, `k` of them.
static Matrix pack_matrix(Weights& w, const RawLinear& raw, int begin, int k) {
    Matrix m;
    m.k = k;
    m.columns = padded(raw.out);
    float* to = keep(w, (long)k * m.columns);
    m.data = to;
    const int wide = panel_vectors(m.columns) * kLanes;
    for (int column = 0; column < m.columns; column += wide) {
        const int width = m.columns - column < wide ? m.columns - column : wide;
        for (int i = 0; i < k; ++i)
            for (int j = column; j < column + width; ++j)
                *to++ = j < raw.out ? raw.weight[(long)j * raw.in + begin + i] : 0.0f;
    }
    return m;
}

static Linear pack(Weights& w, const RawLinear& raw) {
    return {pack_matrix(w, raw, 0, raw.in), keep_copy(w, raw.bias, raw.out)};
}

// The last `crystal` inputs are those of the crystal, which also bring the bias.
static SplitLinear pack_split(Weights& w, const RawLinear& raw, int crystal) {
    const int atoms = raw.in - crystal;
    return {pack_matrix(w, raw, 0, atoms),
            {pack_matrix(w, raw, atoms, crystal), keep_copy(w, raw.bias, raw.out)}};
}

static Norm pack(Weights& w, const RawNorm& raw, int width) {
    return {keep_copy(w, raw.gain, width), keep_copy(w, raw.shift, width)};
}

static void pack_density(Weights& w, const RawDensityLayer& raw, bool first, DensityLayer& to) {
    const int c = w.channels;
    to.norm = pack(w, raw.norm, c);
    to.update_norm = pack(w, raw.update_norm, (first ? 5 : 6) * c);
    to.send = pack(w, raw.send);
    to.radial = pack(w, raw.radial);
    for (int l = 0; l < 3; ++l) to.mix[l] = pack(w, raw.mix[l]);
    to.vector_mix = pack(w, raw.vector_mix);
    for (int i = 0; i < 2; ++i) to.update[i] = pack(w, raw.update[i]);
    if (first) return;
    to.vector_send = pack(w, raw.vector_send);
    to.vector_radial = keep_copy(w, raw.vector_radial, w.n_radial * c);
}

// One of each pair of integer vectors +-v with components up to `most`, without zero.
static void half_space(Weights& w, int most) {
    const int side = 2 * most + 1, all = side * side * side;
    w.n_waves = all / 2;
    w.triples = (int*)keep(w, 3L * w.n_waves);
    for (int p = all / 2 + 1, at = 0; p < all; ++p) {
        w.triples[at++] = p / (side * side) - most;
        w.triples[at++] = p / side % side - most;
        w.triples[at++] = p % side - most;
    }
}

static void pack_joint(Weights& w, const RawNetwork& raw) {
    const int c = w.channels;
    for (int l = 0; l < raw.layers; ++l) {
        w.wave[l] = {pack(w, raw.wave[l].norm, c),   pack(w, raw.wave[l].send),
                     pack(w, raw.wave[l].filter),    pack(w, raw.wave[l].level),
                     pack(w, raw.wave[l].update[1]), pack_split(w, raw.wave[l].update[0], c)};
        w.context[l] = {pack(w, raw.context[l].norm, 2 * c), pack(w, raw.context[l].update),
                        pack(w, raw.context[l].out)};
    }
    w.displacement = keep_copy(w, raw.displacement.weight, c);
    w.gradient = keep_copy(w, raw.gradient.weight, c);
    w.species_first = pack_split(w, raw.species[0], c);
    w.species_second = pack(w, raw.species[1]);
    w.shown = pack_split(w, raw.shown, c);
    w.tensor = {pack(w, raw.tensor.norm, c), pack(w, raw.tensor.send), pack(w, raw.tensor.radial),
                pack(w, raw.tensor.gate), pack(w, raw.tensor.pool)};
    half_space(w, raw.waves);
}

static void* pack_weights(const RawNetwork& raw) {
    Weights& w = *(Weights*)calloc(1, sizeof(Weights));
    w.memory = (float**)calloc(kMostBlocks, sizeof(float*));
    w.channels = raw.channels;
    w.layers = raw.layers;
    w.n_radial = raw.n_radial;
    w.joint = raw.joint;
    const int c = w.channels;
    float* table = keep(w, (long)kElements * c);
    for (int z = 0; z < kElements; ++z)
        for (int j = 0; j < c; ++j) {
            double total = 0.0;
            for (int i = 0; i < c; ++i)
                total +=
                    (double)raw.element[(long)z * c + i] * raw.start.weight[(long)j * 2 * c + i];
            table[(long)z * c + j] = (float)total;
        }
    w.element = table;
    w.start = {pack_matrix(w, raw.start, c, c), keep_copy(w, raw.start.bias, c)};
    for (int l = 0; l < raw.layers; ++l) pack_density(w, raw.density[l], l == 0, w.density[l]);
    w.gate_first = pack_split(w, raw.gate[0], c);
    w.gate_second = pack(w, raw.gate[1]);
    if (raw.joint)
        pack_joint(w, raw);
    else
        w.readout = keep_copy(w, raw.readout.weight, c);
    return &w;
}

static void release_weights(void* weights) {
    Weights* w = (Weights*)weights;
    for (int i = 0; i < w->blocks; ++i) free(w->memory[i]);
    free(w->memory);
    free(w);
}

}  // namespace gencsp::GENCSP_ISA
