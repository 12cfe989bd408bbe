// CHGNet's bases of distances and angles, and their derivatives.
#pragma once

#include "packing.hpp"

namespace gencsp::GENCSP_ISA {

// Row length of basis arrays: 31 functions or fewer, and whole panels of products.
constexpr int kBasis = kPanel > 32 ? kPanel : 32;

// sin and cos of frequency * x. The phase reaches 100 radians and more, where single precision has
// only five digits left, so it is reduced to a quarter turn in double precision.
template <int count>
GENCSP_INLINE void waves(const double* frequency, double x, float* sine, float* cosine) {
    constexpr double kQuarter = 1.57079632679489661923;
    constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
    float rest[count];
    int quadrant[count];
    for (int i = 0; i < count; ++i) {
        const double phase = frequency[i] * x;
        const double turns = (phase * (1.0 / kQuarter) + kMagic) - kMagic;
        rest[i] = (float)(phase - turns * kQuarter);
        quadrant[i] = (int)turns;
    }
    for (int i = 0; i < count; i += kLanes) {
        IntVec q;
        memcpy(&q, quadrant + i, sizeof(q));
        Vec s, c;
        sincos_reduced(load(rest + i), q, s, c);
        store(sine + i, s);
        store(cosine + i, c);
    }
}

struct Envelope {
    double value, slope;
};

// Polynomial cutoff of u = r / cutoff (Gasteiger et al., DimeNet, eq. 8) and its slope in u.
GENCSP_INLINE Envelope envelope(int p, double u) {
    if (!(u < 1.0)) return {0.0, 0.0};
    double power = 1.0;
    for (int i = 1; i < p; ++i) power *= u;  // u^(p-1)
    const double a = -0.5 * (p + 1) * (p + 2), b = p * (p + 2), c = -0.5 * p * (p + 1);
    return {1.0 + power * u * (a + u * (b + u * c)),
            power * (a * p + u * (b * (p + 1) + u * c * (p + 2)))};
}

// Radial Bessel functions sqrt(2/cutoff) sin(frequency u) / r with the envelope, u = r / cutoff.
GENCSP_INLINE void radial_row(const double* frequency, double r, double cutoff, int p, float* value,
                              float* slope) {
    const double u = r / cutoff;
    const Envelope e = envelope(p, u);
    const double norm = __builtin_sqrt(2.0 / cutoff) / r;
    float sine[32], cosine[32];
    waves<32>(frequency, u, sine, cosine);
    const float in_value = (float)(norm * e.value);
    const float in_slope = (float)(norm * (e.slope / cutoff - e.value / r));
    const float wave_slope = (float)(norm * e.value / cutoff);
    for (int i = 0; i < 32; ++i) {
        value[i] = in_value * sine[i];
        slope[i] = in_slope * sine[i] + wave_slope * (float)frequency[i] * cosine[i];
    }
}

// 1/sqrt(2), sin(f_1 x), ..., cos(f_1 x), ..., all over sqrt(pi).
GENCSP_INLINE void fourier_row(const double* frequency, int count, double x, float* value,
                               float* slope) {
    constexpr float kNorm = 0.56418958354775629f;
    float sine[16], cosine[16];
    waves<16>(frequency, x, sine, cosine);
    value[0] = 0.70710678118654752f * kNorm;
    slope[0] = 0.0f;
    for (int i = 0; i < count; ++i) {
        const float f = (float)frequency[i];
        value[1 + i] = sine[i] * kNorm;
        value[1 + count + i] = cosine[i] * kNorm;
        slope[1 + i] = f * cosine[i] * kNorm;
        slope[1 + count + i] = -f * sine[i] * kNorm;
    }
}

}  // namespace gencsp::GENCSP_ISA
