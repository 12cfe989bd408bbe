// Steps on single rows of features: activations, the gated normalisation and its derivative.
#pragma once

#include "packing.hpp"

namespace gencsp::GENCSP_ISA {

constexpr float kNormEpsilon = 1e-5f;  // PyTorch's LayerNorm
constexpr float kMeanOfFeatures = 1.0f / kFeatures;

// What one message keeps for the way back, in floats: slope of the hidden activation, slope of the
// gated output, normalised input, the output itself, and the two inverse root mean squares.
constexpr int kSlopeAt = 0;
constexpr int kGateAt = kGated;
constexpr int kNormedAt = 2 * kGated;
constexpr int kOutputAt = 3 * kGated;
constexpr int kScaleAt = 3 * kGated + kFeatures;
constexpr int kRecord = kScaleAt + 16;

GENCSP_INLINE void set_rows(float* to, float value, long count) {
    for (long i = 0; i < count; ++i) to[i] = value;
}

GENCSP_INLINE void add_row(float* to, const float* x, int count) {
    for (int i = 0; i < count; i += kLanes) accumulate(to + i, load(x + i));
}

// hidden = silu(x), slope = d silu / dx, for a row of `count` floats.
template <int count>
GENCSP_INLINE void silu_row(const float* x, float* hidden, float* slope) {
#pragma GCC unroll 4
    for (int i = 0; i < count; i += 2 * kLanes) {
        const Vec x0 = load(x + i), x1 = load(x + i + kLanes);
        Vec s0, s1;
        sigmoid_pair(x0, x1, s0, s1);
        const Vec h0 = x0 * s0, h1 = x1 * s1;
        store(hidden + i, h0);
        store(hidden + i + kLanes, h1);
        store(slope + i, s0 + h0 * (1.0f - s0));
        store(slope + i + kLanes, s1 + h1 * (1.0f - s1));
    }
}

// The same for the sum of three rows: the input slots of a first layer.
GENCSP_INLINE void silu_of_sum(const float* a, const float* b, const float* c, float* hidden,
                               float* slope) {
#pragma GCC unroll 4
    for (int i = 0; i < kGated; i += 2 * kLanes) {
        const int j = i + kLanes;
        const Vec x0 = load(a + i) + load(b + i) + load(c + i);
        const Vec x1 = load(a + j) + load(b + j) + load(c + j);
        Vec s0, s1;
        sigmoid_pair(x0, x1, s0, s1);
        const Vec h0 = x0 * s0, h1 = x1 * s1;
        store(hidden + i, h0);
        store(hidden + j, h1);
        store(slope + i, s0 + h0 * (1.0f - s0));
        store(slope + j, s1 + h1 * (1.0f - s1));
    }
}

GENCSP_INLINE float inverse_rms(const float* y) {
    Vec squares = Vec{};
#pragma GCC unroll 8
    for (int i = 0; i < kFeatures; i += kLanes) squares += load(y + i) * load(y + i);
    return 1.0f / __builtin_sqrtf(sum(squares) * kMeanOfFeatures + kNormEpsilon);
}

// y: [128] pre-activations, centred. Fills the output, gate, normed and scale parts of the record.
GENCSP_INLINE void gate_row(const float* y, const GatedLayer& layer, float* record) {
    const bool normed = layer.normed;
    const float scale_core = normed ? inverse_rms(y) : 1.0f;
    const float scale_gate = normed ? inverse_rms(y + kFeatures) : 1.0f;
    record[kScaleAt] = scale_core;
    record[kScaleAt + 1] = scale_gate;
    const float keep = normed ? 1.0f : 0.0f;  // without a norm nothing is projected on the way back
#pragma GCC unroll 2
    for (int i = 0; i < kFeatures; i += kLanes) {
        const int j = i + kFeatures;
        const Vec xc = load(y + i) * scale_core, xg = load(y + j) * scale_gate;
        const Vec gain_core = load(layer.gain + i), gain_gate = load(layer.gain + j);
        const Vec nc = xc * gain_core + load(layer.shift + i);
        const Vec ng = xg * gain_gate + load(layer.shift + j);
        Vec s, t;
        sigmoid_pair(nc, ng, s, t);
        const Vec h = nc * s;
        const Vec out = h * t;
        store(record + kOutputAt + i, out);
        store(record + kNormedAt + i, xc * keep);
        store(record + kNormedAt + j, xg * keep);
        store(record + kGateAt + i, (s + h * (1.0f - s)) * t * gain_core);
        store(record + kGateAt + j, out * (1.0f - t) * gain_gate);
    }
}

// d_out: [64] gradient of the gated output; d_y: [128] gradient of the pre-activations, up to a
// constant for each half, which the centred weights remove.
GENCSP_INLINE void gate_row_back(const float* d_out, const float* record, float* d_y) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
        const float* slope = record + kGateAt + half * kFeatures;
        const float* x = record + kNormedAt + half * kFeatures;
        Vec d[kFeatures / kLanes];
        Vec along = Vec{};
#pragma GCC unroll 16
        for (int q = 0; q < kFeatures / kLanes; ++q) {
            d[q] = load(d_out + q * kLanes) * load(slope + q * kLanes);
            along += d[q] * load(x + q * kLanes);
        }
        const float mean = sum(along) * kMeanOfFeatures;
        const float scale = record[kScaleAt + half];
#pragma GCC unroll 16
        for (int q = 0; q < kFeatures / kLanes; ++q)
            store(d_y + half * kFeatures + q * kLanes,
                  (d[q] - load(x + q * kLanes) * mean) * scale);
    }
}

}  // namespace gencsp::GENCSP_ISA
