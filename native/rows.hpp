// Steps on single rows of features: activations, the gated normalisation and its derivative.
#pragma once

#include "packing.hpp"

namespace gencsp::GENCSP_ISA {

constexpr float kNormEpsilon = 1e-5f;  // PyTorch's LayerNorm
constexpr float kMeanOfFeatures = 1.0f / kFeatures;

// What messages keep for the way back, each in rows of its own, so that they stream: the slope of
// the hidden activations, the normalised input of the gate and its two inverse root mean squares.
// The gate's own output and slopes are computed again: memory is slower than that.
struct Record {
    int* slope = nullptr;     // [count][64], see to_halves; none for angle updates
    float* normed = nullptr;  // [count][128]
    float* scale = nullptr;   // [count][2]

    Record from(long row) const {
        return {slope ? slope + row * kFeatures : nullptr, normed + row * kGated, scale + row * 2};
    }
};

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

// The same for the sum of three rows, the input slots of a first layer; slopes two in a number.
GENCSP_INLINE void silu_of_sum(const float* a, const float* b, const float* c, float* hidden,
                               int* slope) {
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
        store(slope + i / 2, to_halves(s0 + h0 * (1.0f - s0), s1 + h1 * (1.0f - s1)));
    }
}

GENCSP_INLINE float inverse_rms(const float* y) {
    Vec squares = Vec{};
#pragma GCC unroll 16
    for (int i = 0; i < kFeatures; i += kLanes) squares += load(y + i) * load(y + i);
    return 1.0f / __builtin_sqrtf(sum(squares) * kMeanOfFeatures + kNormEpsilon);
}

// silu(core) * sigmoid(gate) with its derivatives by core and gate.
GENCSP_INLINE Vec gated(Vec core, Vec gate, Vec& by_core, Vec& by_gate) {
    Vec s, t;
    sigmoid_pair(core, gate, s, t);
    const Vec h = core * s;
    const Vec out = h * t;
    by_core = (s + h * (1.0f - s)) * t;
    by_gate = out - out * t;
    return out;
}

// Normalise rows of centred pre-activations y[count][128] into their records, and give the gated
// output[count][64] of their affine maps. All scales come first: a row would wait for its own.
GENCSP_INLINE void gate_rows(int count, const float* y, const GatedLayer& layer,
                             const Record& record, float* output) {
    for (int r = 0; r < count; ++r)
        for (int half = 0; half < 2; ++half)
            record.scale[2 * r + half] =
                layer.normed ? inverse_rms(y + r * kGated + half * kFeatures) : 1.0f;
    for (int r = 0; r < count; ++r) {
        const float* from = y + r * kGated;
        float* to = record.normed + r * kGated;
        const Vec scale_core = splat(record.scale[2 * r]);
        const Vec scale_gate = splat(record.scale[2 * r + 1]);
#pragma GCC unroll 2
        for (int i = 0; i < kFeatures; i += kLanes) {
            const int j = i + kFeatures;
            const Vec x = load(from + i) * scale_core, z = load(from + j) * scale_gate;
            store(to + i, x);
            store(to + j, z);
            Vec s, t;
            const Vec core = x * load(layer.gain + i) + load(layer.shift + i);
            sigmoid_pair(core, z * load(layer.gain + j) + load(layer.shift + j), s, t);
            store(output + r * kFeatures + i, core * s * t);
        }
    }
}

// Gradient of one message's normalised inputs, d_x[128], and how far it points along them.
// `incoming(i, out)`: lanes from i on of the output's gradient, given the output itself.
template <typename Incoming>
GENCSP_INLINE void gate_row_back(const float* normed, const GatedLayer& layer, float* d_x,
                                 float* along, const Incoming& incoming) {
    Vec along_core = Vec{}, along_gate = Vec{};
#pragma GCC unroll 2
    for (int i = 0; i < kFeatures; i += kLanes) {
        const int j = i + kFeatures;
        const Vec x = load(normed + i), z = load(normed + j);
        const Vec gain_core = load(layer.gain + i), gain_gate = load(layer.gain + j);
        Vec by_core, by_gate;
        const Vec out = gated(x * gain_core + load(layer.shift + i),
                              z * gain_gate + load(layer.shift + j), by_core, by_gate);
        const Vec d = incoming(i, out);
        const Vec d_core = d * by_core * gain_core, d_gate = d * by_gate * gain_gate;
        along_core += d_core * x;
        along_gate += d_gate * z;
        store(d_x + i, d_core);
        store(d_x + j, d_gate);
    }
    along[0] = layer.normed ? sum(along_core) * kMeanOfFeatures : 0.0f;
    along[1] = layer.normed ? sum(along_gate) * kMeanOfFeatures : 0.0f;
}

// From the gradient of normalised inputs to that of the pre-activations, up to a constant for each
// half, which the centred weights remove; in place.
GENCSP_INLINE void normalise_rows_back(int count, const Record& record, const float* along,
                                       float* d) {
    for (int r = 0; r < count; ++r)
        for (int half = 0; half < 2; ++half) {
            const float* x = record.normed + r * kGated + half * kFeatures;
            const Vec scale = splat(record.scale[2 * r + half]);
            const Vec mean = splat(along[2 * r + half]);
            float* to = d + r * kGated + half * kFeatures;
#pragma GCC unroll 16
            for (int i = 0; i < kFeatures; i += kLanes)
                store(to + i, (load(to + i) - load(x + i) * mean) * scale);
        }
}

}  // namespace gencsp::GENCSP_ISA
