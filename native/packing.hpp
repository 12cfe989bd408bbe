// The weights in the order that the kernels read them, with what can be folded beforehand.
//
// Layer normalisation begins by subtracting the mean over the features. The mean of a linear map is
// linear, so it is taken out of the weights here (each output column minus the mean of all), and
// the kernels only divide by the root mean square. The same centred weights carry the gradient back.
//
// Where an input is itself a linear map of a basis that never changes (long edges; angles before
// their first update), the two maps are multiplied here into one with half as many inputs.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "gemm.hpp"
#include "kernels.hpp"

namespace gencsp::GENCSP_ISA {

constexpr int kGated = 2 * kFeatures;  // core and gate side by side
constexpr int kMostSlots = 4;

// One gated perceptron whose first layer is split by input slot.
struct GatedLayer {
    int slots;
    Packed first[kMostSlots];          // [64] -> [128]
    Packed first_back[kMostSlots];     // [128] -> [64]
    Packed basis, basis_back;          // the slot of the edge or angle, straight from its basis
    Packed second[2], second_back[2];  // [64] -> [64], core and gate
    float first_bias[kGated], second_bias[kGated], gain[kGated], shift[kGated];
    float basis_bias[kGated];  // what drifting biases add on the way (version 0.2.0)
    bool normed;
};

struct Convolution {
    GatedLayer gate;
    Packed out, out_back;  // [64] -> [64]
    float out_bias[kFeatures];
    bool has_bias;
};

struct Weights {
    int n_radial, n_fourier, n_readout, envelope_power;
    double atom_cutoff, bond_cutoff;
    float embedding[kElements * kFeatures], reference[kElements];
    double atom_frequency[32], bond_frequency[32], angle_frequency[16];
    Packed edge_embed, edge_embed_back, edge_weight, edge_weight_back;
    Packed bond_weight, bond_weight_back, angle_embed, angle_embed_back;
    Convolution atom_conv[kConvolutions], bond_conv[kConvolutions - 1];
    GatedLayer angle_update[kConvolutions - 2];
    float site_weight[kFeatures], site_bias;
    bool readout_normed;
    float readout_gain[kFeatures], readout_shift[kFeatures];
    Packed readout[kReadoutLayers], readout_back[kReadoutLayers];
    float readout_bias[kReadoutLayers][kFeatures], last_weight[kFeatures], last_bias;
    float* memory;
    long used, room;
};

// A matrix in double precision, [k][n], while it is being prepared.
struct Dense {
    int k, n;
    double* at;

    Dense(int k_, int n_) : k(k_), n(n_), at((double*)calloc((size_t)k_ * n_, sizeof(double))) {}
    Dense(const Dense&) = delete;
    Dense& operator=(const Dense&) = delete;
    ~Dense() { free(at); }
    double& operator()(int i, int j) const { return at[(size_t)i * n + j]; }
};

static void add_linear(const RawLinear& linear, int first_input, int column, const Dense& to) {
    for (int o = 0; o < linear.out; ++o)
        for (int i = 0; i < to.k && first_input + i < linear.in; ++i)
            to(i, column + o) = linear.weight[o * linear.in + first_input + i];
}

static void multiply_dense(const Dense& a, const Dense& b, const Dense& c) {
    for (int i = 0; i < a.k; ++i)
        for (int j = 0; j < b.n; ++j) {
            double sum = 0.0;
            for (int m = 0; m < a.n; ++m) sum += a(i, m) * b(m, j);
            c(i, j) = sum;
        }
}

// Take the mean over each block of kFeatures columns out of every row.
static void centre(const Dense& w) {
    for (int i = 0; i < w.k; ++i)
        for (int block = 0; block < w.n; block += kFeatures) {
            double mean = 0.0;
            for (int j = 0; j < kFeatures; ++j) mean += w(i, block + j) / kFeatures;
            for (int j = 0; j < kFeatures; ++j) w(i, block + j) -= mean;
        }
}

static Packed pack(Weights& owner, const Dense& w, bool transposed) {
    Packed p;
    p.k = transposed ? w.n : w.k;
    const int n = transposed ? w.k : w.n;
    p.n = (n + kPanel - 1) / kPanel * kPanel;
    float* to = owner.memory + owner.used;
    owner.used += (long)p.k * p.n;
    for (int column = 0; column < p.n; ++column)
        for (int i = 0; i < p.k; ++i) {
            const double value = column >= n ? 0.0 : transposed ? w(column, i) : w(i, column);
            to[((long)(column / kPanel) * p.k + i) * kPanel + column % kPanel] = (float)value;
        }
    p.data = to;
    return p;
}

static void pack_both(Weights& owner, const Dense& w, Packed& forward, Packed& back) {
    forward = pack(owner, w, false);
    back = pack(owner, w, true);
}

static void copy_row(const Dense& from, float* to) {
    for (int j = 0; j < from.n; ++j) to[j] = (float)from(0, j);
}

static void bias_row(const RawLinear& core, const RawLinear& gate, const Dense& to) {
    for (int j = 0; j < kFeatures; ++j) {
        to(0, j) = core.bias ? core.bias[j] : 0.0;
        to(0, kFeatures + j) = gate.bias ? gate.bias[j] : 0.0;
    }
}

// `basis`: [n_basis][64], the map that makes the features of slot `basis_slot` from a basis;
// `drift`: [1][64], what was added to those features on the way.
static void pack_gated(Weights& owner, const RawGated& raw, const Dense& basis, int basis_slot,
                       const Dense& drift, GatedLayer& layer) {
    const bool deep = raw.core[1].weight != nullptr;
    layer.normed = raw.core_norm.gain != nullptr;
    layer.slots = raw.core[0].in / kFeatures;
    for (int s = 0; s < layer.slots; ++s) {
        Dense w(kFeatures, kGated);
        add_linear(raw.core[0], s * kFeatures, 0, w);
        add_linear(raw.gate[0], s * kFeatures, kFeatures, w);
        if (!deep && layer.normed) centre(w);
        pack_both(owner, w, layer.first[s], layer.first_back[s]);
        if (s != basis_slot) continue;
        Dense joined(basis.k, kGated), moved(1, kGated);
        multiply_dense(basis, w, joined);
        pack_both(owner, joined, layer.basis, layer.basis_back);
        multiply_dense(drift, w, moved);
        copy_row(moved, layer.basis_bias);
    }
    Dense bias(1, kGated);
    bias_row(raw.core[0], raw.gate[0], bias);
    if (!deep && layer.normed) centre(bias);
    copy_row(bias, layer.first_bias);
    for (int j = 0; j < kGated; ++j) {
        const RawNorm& norm = j < kFeatures ? raw.core_norm : raw.gate_norm;
        layer.gain[j] = layer.normed ? norm.gain[j % kFeatures] : 1.0f;
        layer.shift[j] = layer.normed ? norm.shift[j % kFeatures] : 0.0f;
    }
    if (!deep) return;
    for (int half = 0; half < 2; ++half) {
        Dense w(kFeatures, kFeatures);
        add_linear(half ? raw.gate[1] : raw.core[1], 0, 0, w);
        if (layer.normed) centre(w);
        pack_both(owner, w, layer.second[half], layer.second_back[half]);
    }
    bias_row(raw.core[1], raw.gate[1], bias);
    if (layer.normed) centre(bias);
    copy_row(bias, layer.second_bias);
}

static void pack_plain(Weights& owner, const RawLinear& raw, Packed& forward, Packed& back) {
    Dense w(raw.in, raw.out);
    add_linear(raw, 0, 0, w);
    pack_both(owner, w, forward, back);
}

static void pack_convolution(Weights& owner, const RawGated& gate, const RawLinear& out,
                             const Dense& basis, int basis_slot, const Dense& drift,
                             Convolution& to) {
    pack_gated(owner, gate, basis, basis_slot, drift, to.gate);
    pack_plain(owner, out, to.out, to.out_back);
    to.has_bias = out.bias != nullptr;
    for (int j = 0; j < kFeatures; ++j) to.out_bias[j] = to.has_bias ? out.bias[j] : 0.0f;
}

static void pack_readout(const RawModel& raw, Weights& w) {
    w.n_readout = raw.n_readout;
    w.readout_normed = raw.readout_norm.gain != nullptr;
    for (int j = 0; j < kFeatures; ++j) {
        w.readout_gain[j] = w.readout_normed ? raw.readout_norm.gain[j] : 1.0f;
        w.readout_shift[j] = w.readout_normed ? raw.readout_norm.shift[j] : 0.0f;
        w.site_weight[j] = raw.site_wise.weight[j];
        w.last_weight[j] = raw.readout[raw.n_readout].weight[j];
    }
    w.site_bias = raw.site_wise.bias[0];
    w.last_bias = raw.readout[raw.n_readout].bias[0];
    for (int i = 0; i < raw.n_readout; ++i) {
        pack_plain(w, raw.readout[i], w.readout[i], w.readout_back[i]);
        memcpy(w.readout_bias[i], raw.readout[i].bias, sizeof(w.readout_bias[i]));
    }
}

static void* pack_weights(const RawModel& raw) {
    // In floats; the largest version and widest panels need about 850,000.
    constexpr size_t kRoom = 1 << 20;
    Weights& w = *(Weights*)calloc(1, sizeof(Weights));
    w.memory = (float*)aligned_alloc(64, kRoom * sizeof(float));
    w.n_radial = raw.n_radial;
    w.n_fourier = raw.n_fourier;
    w.envelope_power = raw.envelope_power;
    w.atom_cutoff = raw.atom_cutoff;
    w.bond_cutoff = raw.bond_cutoff;
    memcpy(w.embedding, raw.atom_embedding, sizeof(w.embedding));
    memcpy(w.reference, raw.reference_energy, sizeof(w.reference));
    for (int i = 0; i < raw.n_radial; ++i) {
        w.atom_frequency[i] = raw.atom_frequencies[i];
        w.bond_frequency[i] = raw.bond_frequencies[i];
    }
    for (int i = 0; i < raw.n_fourier; ++i) w.angle_frequency[i] = raw.angle_frequencies[i];
    pack_plain(w, raw.bond_embedding, w.edge_embed, w.edge_embed_back);
    pack_plain(w, raw.bond_weights_atom, w.edge_weight, w.edge_weight_back);
    pack_plain(w, raw.bond_weights_bond, w.bond_weight, w.bond_weight_back);
    pack_plain(w, raw.angle_embedding, w.angle_embed, w.angle_embed_back);
    Dense edge_basis(raw.n_radial, kFeatures), angle_basis(2 * raw.n_fourier + 1, kFeatures);
    add_linear(raw.bond_embedding, 0, 0, edge_basis);
    add_linear(raw.angle_embedding, 0, 0, angle_basis);
    Dense drift(1, kFeatures), none(1, kFeatures);
    for (int l = 0; l < kConvolutions; ++l) {
        pack_convolution(w, raw.atom_conv[l], raw.atom_out[l], edge_basis, 1, drift,
                         w.atom_conv[l]);
        if (l == kConvolutions - 1) break;
        pack_convolution(w, raw.bond_conv[l], raw.bond_out[l], angle_basis, 2, none,
                         w.bond_conv[l]);
        for (int j = 0; j < kFeatures; ++j) drift(0, j) += w.bond_conv[l].out_bias[j];
        // The last angle update changes nothing that is read afterwards.
        if (l < kConvolutions - 2)
            pack_gated(w, raw.angle_update[l], angle_basis, 2, none, w.angle_update[l]);
    }
    pack_readout(raw, w);
    return &w;
}

static void release_weights(void* weights) {
    free(((Weights*)weights)->memory);
    free(weights);
}

}  // namespace gencsp::GENCSP_ISA
