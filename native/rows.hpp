// Steps on single rows of features: activations, the gated normalisation and its derivative.
#pragma once

#include "packing.hpp"

namespace gencsp::GENCSP_ISA {

constexpr float kNormEpsilon = 1e-5f;  // PyTorch's LayerNorm
constexpr float kMeanOfFeatures = 1.0f / kFeatures;

// What one message keeps for the way back, in floats: the slope of the hidden activation, the
// normalised input of the gate and the two inverse root mean squares. The gate's own output and
// slopes are computed again: memory is slower than that.
constexpr int kSlopeAt = 0;
constexpr int kNormedAt = kGated;
constexpr int kScaleAt = 2 * kGated;
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

// output[64] = silu(core) * sigmoid(gate) of the affine map of normalised inputs x[128]; with
// `slopes`, also its derivative with respect to x, [128].
template <bool slopes>
GENCSP_INLINE void gate_output(const float* x, const GatedLayer& layer, float* output,
                               float* slope) {
#pragma GCC unroll 2
    for (int i = 0; i < kFeatures; i += kLanes) {
        const int j = i + kFeatures;
        const Vec gain_core = load(layer.gain + i), gain_gate = load(layer.gain + j);
        const Vec nc = load(x + i) * gain_core + load(layer.shift + i);
        const Vec ng = load(x + j) * gain_gate + load(layer.shift + j);
        Vec s, t;
        sigmoid_pair(nc, ng, s, t);
        const Vec h = nc * s;
        const Vec out = h * t;
        store(output + i, out);
        if constexpr (slopes) {
            store(slope + i, (s + h * (1.0f - s)) * t * gain_core);
            store(slope + j, out * (1.0f - t) * gain_gate);
        }
    }
}

// Normalise the centred pre-activations y[128] into the record, and give the output[64].
GENCSP_INLINE void gate_row(const float* y, const GatedLayer& layer, float* record,
                            float* output) {
    for (int half = 0; half < 2; ++half) {
        const float* from = y + half * kFeatures;
        const float scale = layer.normed ? inverse_rms(from) : 1.0f;
        record[kScaleAt + half] = scale;
#pragma GCC unroll 8
        for (int i = 0; i < kFeatures; i += kLanes)
            store(record + kNormedAt + half * kFeatures + i, load(from + i) * scale);
    }
    gate_output<false>(record + kNormedAt, layer, output, nullptr);
}

// d_out: [64] gradient of the gated output; d_y: [128] gradient of the pre-activations, up to a
// constant for each half, which the centred weights remove.
GENCSP_INLINE void gate_row_back(const float* d_out, const float* slope, const GatedLayer& layer,
                                 const float* record, float* d_y) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
        const float* x = record + kNormedAt + half * kFeatures;
        Vec d[kFeatures / kLanes];
        Vec along = Vec{};
#pragma GCC unroll 16
        for (int q = 0; q < kFeatures / kLanes; ++q) {
            d[q] = load(d_out + q * kLanes) * load(slope + half * kFeatures + q * kLanes);
            along += d[q] * load(x + q * kLanes);
        }
        const float mean = layer.normed ? sum(along) * kMeanOfFeatures : 0.0f;
        const float scale = record[kScaleAt + half];
#pragma GCC unroll 16
        for (int q = 0; q < kFeatures / kLanes; ++q)
            store(d_y + half * kFeatures + q * kLanes,
                  (d[q] - load(x + q * kLanes) * mean) * scale);
    }
}

}  // namespace gencsp::GENCSP_ISA
