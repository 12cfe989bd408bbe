// Short vectors of floats, written with the vector extensions that GCC and Clang share, so that one
// source serves every instruction set. Included only by kernel translation units, each of which
// sets GENCSP_ISA (its namespace) and GENCSP_LANES (floats in a register) before it.
//
// Nothing here may instantiate a standard-library template: the linker could then keep the copy
// compiled for a newer processor and use it everywhere.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define GENCSP_INLINE static inline __attribute__((always_inline))

namespace gencsp::GENCSP_ISA {

constexpr int kLanes = GENCSP_LANES;

typedef float Vec __attribute__((vector_size(GENCSP_LANES * 4)));
typedef int IntVec __attribute__((vector_size(GENCSP_LANES * 4)));
typedef float UnalignedVec __attribute__((vector_size(GENCSP_LANES * 4), aligned(4), may_alias));

typedef int UnalignedIntVec __attribute__((vector_size(GENCSP_LANES * 4), aligned(4), may_alias));

GENCSP_INLINE Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
GENCSP_INLINE void store(float* p, Vec x) { *reinterpret_cast<UnalignedVec*>(p) = x; }
GENCSP_INLINE void accumulate(float* p, Vec x) { store(p, load(p) + x); }
GENCSP_INLINE Vec splat(float x) { return x - Vec{}; }

// Sums over the lanes, always in the same order.
#if GENCSP_LANES == 4
GENCSP_INLINE float sum(Vec x) { return (x[0] + x[2]) + (x[1] + x[3]); }
#else
typedef float Quad __attribute__((vector_size(16)));
GENCSP_INLINE Quad fold(Vec x) {
#if GENCSP_LANES == 16
    typedef float Half __attribute__((vector_size(32)));
    const Half y = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                   __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    const Vec y = x;
#endif
    return __builtin_shufflevector(y, y, 0, 1, 2, 3) + __builtin_shufflevector(y, y, 4, 5, 6, 7);
}
GENCSP_INLINE float sum(Vec x) {
    const Quad q = fold(x);
    return (q[0] + q[2]) + (q[1] + q[3]);
}
#endif

// GCC makes a comparison and a blend of the portable form, hence the intrinsics.
GENCSP_INLINE Vec clamp(Vec x, float low, float high) {
#if defined(__SSE2__) && GENCSP_LANES == 4
    return (Vec)_mm_min_ps(_mm_max_ps((__m128)x, (__m128)splat(low)), (__m128)splat(high));
#elif defined(__AVX__) && GENCSP_LANES == 8
    return (Vec)_mm256_min_ps(_mm256_max_ps((__m256)x, (__m256)splat(low)), (__m256)splat(high));
#else
    x = x > splat(low) ? x : splat(low);
    return x < splat(high) ? x : splat(high);
#endif
}

GENCSP_INLINE IntVec load(const int* p) { return *reinterpret_cast<const UnalignedIntVec*>(p); }
GENCSP_INLINE void store(int* p, IntVec x) { *reinterpret_cast<UnalignedIntVec*>(p) = x; }

// Two numbers between -0.1 and 1.1, as the slopes of silu are, in sixteen bits each, to within 1e-5:
// adding kMagic rounds to an integer, which is then the lower end of the float's bits.
constexpr float kHalves = 54000.0f, kMagic = 12582912.0f;  // 1.5 * 2^23
GENCSP_INLINE IntVec to_halves(Vec x, Vec y) {
    const float start = kMagic - 0.5f * kHalves;
    return ((IntVec)(x * kHalves + start) & 0xffff) | ((IntVec)(y * kHalves + start) << 16);
}
GENCSP_INLINE void from_halves(IntVec both, Vec& x, Vec& y) {
    x = __builtin_convertvector(both << 16 >> 16, Vec) * (1.0f / kHalves) + 0.5f;
    y = __builtin_convertvector(both >> 16, Vec) * (1.0f / kHalves) + 0.5f;
}

// 2^-(x log2 e) = exp(-x) for |x| <= 43: an integer power of two, put straight into the exponent,
// and a polynomial for the rest (relative error 7.5e-8 on [-1/2, 1/2], fitted to equal ripples).
GENCSP_INLINE Vec exp_minus(Vec x) {
    constexpr float kLog2e = 1.44269504088896f;
    x = clamp(x, -43.0f, 43.0f);
    const Vec magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    const Vec shifted = magic - x * kLog2e;
    const Vec rest = (magic - shifted) - x * kLog2e;
    Vec p = splat(1.327646515e-03f);
    p = p * rest + 9.675541280e-03f;
    p = p * rest + 5.550713295e-02f;
    p = p * rest + 2.402211973e-01f;
    p = p * rest + 6.931469671e-01f;
    p = p * rest + 1.000000072e+00f;
    return (Vec)((IntVec)p + ((IntVec)shifted << 23));
}

// Two sigmoids for one division. Beyond |x| = 43 a sigmoid is 0 or 1 to single precision, and the
// product of the two denominators stays finite.
GENCSP_INLINE void sigmoid_pair(Vec x, Vec y, Vec& sx, Vec& sy) {
    const Vec a = 1.0f + exp_minus(x);
    const Vec b = 1.0f + exp_minus(y);
    const Vec inverse = 1.0f / (a * b);
    sx = inverse * b;
    sy = inverse * a;
}

// sin and cos of r + quadrant * pi/2 for |r| <= pi/4 (Cephes' sinf and cosf).
GENCSP_INLINE void sincos_reduced(Vec r, IntVec quadrant, Vec& sine, Vec& cosine) {
    const Vec z = r * r;
    Vec s = splat(-1.9515295891e-4f);
    s = s * z + 8.3321608736e-3f;
    s = s * z - 1.6666654611e-1f;
    s = s * z * r + r;
    Vec c = splat(2.443315711809948e-5f);
    c = c * z - 1.388731625493765e-3f;
    c = c * z + 4.166664568298827e-2f;
    c = c * z * z - 0.5f * z + 1.0f;
    const IntVec swap = (quadrant & 1) != 0;
    const Vec s2 = swap ? c : s;
    const Vec c2 = swap ? s : c;
    sine = (Vec)((IntVec)s2 ^ ((quadrant & 2) << 30));
    cosine = (Vec)((IntVec)c2 ^ (((quadrant + 1) & 2) << 30));
}

}  // namespace gencsp::GENCSP_ISA
