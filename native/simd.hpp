// Short vectors of floats, written with the vector extensions that GCC and Clang share, so that one
// source serves every instruction set. Included only by kernel translation units, each of which
// sets GENCSP_ISA (its namespace) and GENCSP_LANES (floats in a register) before it.
//
// Nothing here may instantiate a standard-library template: the linker could then keep the copy
// compiled for a newer processor and use it everywhere.
#pragma once

#define GENCSP_INLINE static inline __attribute__((always_inline))

namespace gencsp::GENCSP_ISA {

constexpr int kLanes = GENCSP_LANES;

typedef float Vec __attribute__((vector_size(GENCSP_LANES * 4)));
typedef int IntVec __attribute__((vector_size(GENCSP_LANES * 4)));
typedef float UnalignedVec __attribute__((vector_size(GENCSP_LANES * 4), aligned(4), may_alias));

GENCSP_INLINE Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
GENCSP_INLINE void store(float* p, Vec x) { *reinterpret_cast<UnalignedVec*>(p) = x; }
GENCSP_INLINE void accumulate(float* p, Vec x) { store(p, load(p) + x); }
GENCSP_INLINE Vec splat(float x) { return x - Vec{}; }

// Sum over the lanes, always in the same order.
GENCSP_INLINE float sum(Vec x) {
    float lane[kLanes];
    store(lane, x);
    for (int width = kLanes / 2; width > 0; width /= 2)
        for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
    return lane[0];
}

GENCSP_INLINE Vec clamp(Vec x, float low, float high) {
    x = x < splat(low) ? splat(low) : x;
    return x > splat(high) ? splat(high) : x;
}

// exp(x) for |x| <= 87: x = n ln 2 + r, a polynomial in r (Cephes' expf) and an exponent of n.
GENCSP_INLINE Vec exp_small(Vec x) {
    const Vec magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    const Vec shifted = x * 1.44269504f + magic;
    const IntVec n = (IntVec)shifted - (IntVec)magic;
    const Vec rounded = shifted - magic;
    Vec r = x - rounded * 0.693359375f;
    r = r + rounded * 2.12194440e-4f;
    Vec p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return p * (Vec)((n + 127) << 23);
}

// Two sigmoids for one division. Beyond |x| = 43 a sigmoid is 0 or 1 to single precision, and the
// product of the two denominators stays finite.
GENCSP_INLINE void sigmoid_pair(Vec x, Vec y, Vec& sx, Vec& sy) {
    const Vec a = 1.0f + exp_small(clamp(-x, -43.0f, 43.0f));
    const Vec b = 1.0f + exp_small(clamp(-y, -43.0f, 43.0f));
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
