#include "surroundings.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace gencsp::denoiser {

namespace {

// Two atoms may coincide in noise; their direction is then undefined and left at zero.
constexpr double kClosest = 1e-6;
// Along an axis, to each side: no crystal that diffuses comes near this.
constexpr double kMostImages = 1000.0;

// Rows b_k of the inverse transposed, and the determinant.
double invert(const double* a, double* b) {
    const auto cross = [](const double* u, const double* v, double* w) {
        w[0] = u[1] * v[2] - u[2] * v[1];
        w[1] = u[2] * v[0] - u[0] * v[2];
        w[2] = u[0] * v[1] - u[1] * v[0];
    };
    cross(a + 3, a + 6, b);
    cross(a + 6, a, b + 3);
    cross(a, a + 3, b + 6);
    const double determinant = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    for (int i = 0; i < 9; ++i) b[i] /= determinant;
    return determinant;
}

}  // namespace

Neighbours Surroundings::find(const Batch& batch, double reach) {
    first_pair.assign(1, 0);
    neighbour.clear();
    first_edge.assign(1, 0);
    edges.clear();
    cutoff.resize(batch.n_crystals);
    volume.resize(batch.n_crystals);
    fractional.resize(3 * static_cast<std::size_t>(batch.n_atoms));
    reciprocal.resize(9 * static_cast<std::size_t>(batch.n_crystals));
    for (int b = 0; b < batch.n_crystals; ++b) {
        double* inverse = &reciprocal[9 * static_cast<std::size_t>(b)];
        volume[b] = std::abs(invert(batch.cells + 9 * static_cast<std::size_t>(b), inverse));
        for (int i = batch.first[b]; i < batch.first[b + 1]; ++i)
            for (int k = 0; k < 3; ++k) {
                const double* x = batch.positions + 3 * static_cast<std::size_t>(i);
                fractional[3 * static_cast<std::size_t>(i) + k] =
                    x[0] * inverse[3 * k] + x[1] * inverse[3 * k + 1] + x[2] * inverse[3 * k + 2];
            }
        const double atoms = batch.first[b + 1] - batch.first[b];
        const double limit = reach * std::cbrt(volume[b] / atoms);
        cutoff[b] = static_cast<float>(limit);
        find_crystal(batch, b, limit);
    }
    return {first_pair.data(), neighbour.data(),  first_edge.data(), edges.data(),
            cutoff.data(),     fractional.data(), reciprocal.data(), volume.data()};
}

void Surroundings::find_crystal(const Batch& batch, int crystal, double limit) {
    const double* cell = batch.cells + 9 * static_cast<std::size_t>(crystal);
    const double* inverse = &reciprocal[9 * static_cast<std::size_t>(crystal)];
    // With differences within half a cell, images beyond limit/height + 1/2 cannot be in reach.
    int most[3];
    for (int k = 0; k < 3; ++k) {
        const double* row = inverse + 3 * k;
        const double length = std::sqrt(row[0] * row[0] + row[1] * row[1] + row[2] * row[2]);
        const double images = std::floor(limit * length + 0.5);
        if (!(images <= kMostImages))
            throw std::invalid_argument("cells have to be finite, and not flat");
        most[k] = static_cast<int>(images);
    }
    const int begin = batch.first[crystal], end = batch.first[crystal + 1];
    for (int i = begin; i < end; ++i) {
        for (int j = begin; j < end; ++j) {
            double apart[3], at[3];
            for (int k = 0; k < 3; ++k) {
                apart[k] = fractional[3 * static_cast<std::size_t>(j) + k] -
                           fractional[3 * static_cast<std::size_t>(i) + k];
                apart[k] -= std::nearbyint(apart[k]);
            }
            const std::size_t before = edges.size();
            for (int tx = -most[0]; tx <= most[0]; ++tx)
                for (int ty = -most[1]; ty <= most[1]; ++ty)
                    for (int tz = -most[2]; tz <= most[2]; ++tz) {
                        const double f[3] = {apart[0] + tx, apart[1] + ty, apart[2] + tz};
                        for (int x = 0; x < 3; ++x)
                            at[x] = f[0] * cell[x] + f[1] * cell[3 + x] + f[2] * cell[6 + x];
                        const double squared = at[0] * at[0] + at[1] * at[1] + at[2] * at[2];
                        if (!(squared < limit * limit)) continue;
                        if (i == j && tx == 0 && ty == 0 && tz == 0) continue;
                        const double d = std::sqrt(squared), scale = 1.0 / std::max(d, kClosest);
                        edges.push_back({static_cast<float>(at[0] * scale),
                                         static_cast<float>(at[1] * scale),
                                         static_cast<float>(at[2] * scale), static_cast<float>(d)});
                    }
            if (edges.size() == before) continue;
            neighbour.push_back(j);
            first_edge.push_back(static_cast<int>(edges.size()));
        }
        first_pair.push_back(static_cast<int>(neighbour.size()));
    }
}

}  // namespace gencsp::denoiser
