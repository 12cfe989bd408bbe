// 3 x 3 matrices of doubles, row by row.
#pragma once

#include <array>
#include <cmath>

namespace gencsp {

using Matrix3 = std::array<double, 9>;

inline Matrix3 identity3() { return {1, 0, 0, 0, 1, 0, 0, 0, 1}; }

inline Matrix3 multiply(const Matrix3& a, const Matrix3& b) {
    Matrix3 c{};
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
            for (int k = 0; k < 3; ++k) c[3 * i + j] += a[3 * i + k] * b[3 * k + j];
    return c;
}

inline Matrix3 transpose(const Matrix3& a) {
    return {a[0], a[3], a[6], a[1], a[4], a[7], a[2], a[5], a[8]};
}

// Rows are the cross products b x c, c x a, a x b of the rows of `m`.
inline Matrix3 cofactors(const Matrix3& m) {
    Matrix3 c;
    for (int i = 0; i < 3; ++i) {
        const double* u = &m[3 * ((i + 1) % 3)];
        const double* v = &m[3 * ((i + 2) % 3)];
        c[3 * i] = u[1] * v[2] - u[2] * v[1];
        c[3 * i + 1] = u[2] * v[0] - u[0] * v[2];
        c[3 * i + 2] = u[0] * v[1] - u[1] * v[0];
    }
    return c;
}

inline double determinant(const Matrix3& m) {
    const Matrix3 c = cofactors(m);
    return m[0] * c[0] + m[1] * c[1] + m[2] * c[2];
}

inline Matrix3 inverse(const Matrix3& m) {
    Matrix3 c = transpose(cofactors(m));
    const double scale = 1.0 / determinant(m);
    for (double& x : c) x *= scale;
    return c;
}

inline double dot3(const double* a, const double* b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

inline double norm3(const double* a) { return std::sqrt(dot3(a, a)); }

}  // namespace gencsp
