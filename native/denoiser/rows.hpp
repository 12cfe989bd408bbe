// Steps on single rows of features.
#pragma once

#include "pass.hpp"

namespace gencsp::GENCSP_ISA {

// x = silu(x). Each on its own: two that share a division would depend on each other by rounding.
GENCSP_INLINE void silu_rows(float* x, long count) {
    for (long i = 0; i < count; i += kLanes) {
        const Vec y = load(x + i);
        store(x + i, y / (1.0f + exp_minus(y)));
    }
}

GENCSP_INLINE float dot(const float* x, const float* y, int count) {
    Vec total = Vec{};
    for (int i = 0; i < count; i += kLanes) total += load(x + i) * load(y + i);
    return sum(total);
}

GENCSP_INLINE void add(float* to, const float* x, int count) {
    for (int i = 0; i < count; i += kLanes) accumulate(to + i, load(x + i));
}

GENCSP_INLINE void copy(float* to, const float* x, int count) {
    for (int i = 0; i < count; i += kLanes) store(to + i, load(x + i));
}

constexpr float kThirdRoot = 0.57735026918962576f;  // 1/sqrt(3)

// The symmetric traceless matrix of l = 2 components xy, yz, zx, (xx - yy)/2 and zz/sqrt(3),
// without the factor sqrt(3) of the harmonics; see matrix_times_vector in layers.py.
struct Bent {
    Vec xx, yy, zz, xy, yz, zx;

    Bent(const float* l2, long stride) {
        xy = load(l2) * kThirdRoot;
        yz = load(l2 + stride) * kThirdRoot;
        zx = load(l2 + 2 * stride) * kThirdRoot;
        const Vec d = load(l2 + 3 * stride) * kThirdRoot;
        const Vec third = load(l2 + 4 * stride) * (kThirdRoot * kThirdRoot);
        xx = d - third;
        yy = -d - third;
        zz = 2.0f * third;
    }
    void times(Vec x, Vec y, Vec z, Vec& tx, Vec& ty, Vec& tz) const {
        tx = xx * x + xy * y + zx * z;
        ty = xy * x + yy * y + yz * z;
        tz = zx * x + yz * y + zz * z;
    }
};

}  // namespace gencsp::GENCSP_ISA
