#include "graph.hpp"

#include <algorithm>
#include <cmath>

#include "linalg3.hpp"

namespace gencsp {

namespace {

// CHGNet scales cosines by this before acos.
constexpr double kCosineScale = 1.0 - 1e-6;
constexpr double kSamePlace = 1e-8;  // Å: pymatgen's tolerance for "the same site"
constexpr int kMaxImages = 100;      // images searched along one lattice vector
constexpr int kMostBins = 64;        // along one lattice vector
constexpr double kRounding = 1e-9;   // of a bin's thickness

// Shorten the lattice vectors by one another (a reduced cell of the same lattice), so that few
// images cover the cutoff however skewed the cell is.
Matrix3 reduced(Matrix3 cell) {
    for (int sweep = 0; sweep < 1000; ++sweep) {
        bool changed = false;
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) {
                if (i == j) continue;
                double* a = &cell[3 * i];
                const double* b = &cell[3 * j];
                const double times = std::round(dot3(a, b) / dot3(b, b));
                if (times == 0.0) continue;
                double shorter[3];
                for (int c = 0; c < 3; ++c) shorter[c] = a[c] - times * b[c];
                if (dot3(shorter, shorter) >= dot3(a, a) * (1.0 - 1e-12)) continue;
                std::copy(shorter, shorter + 3, a);
                changed = true;
            }
        if (!changed) break;
    }
    return cell;
}

int floor_of_ratio(int a, int b) { return (a - (a < 0 ? b - 1 : 0)) / b; }

bool all_finite(const double* x, int count) {
    return std::all_of(x, x + count, [](double v) { return std::isfinite(v); });
}

}  // namespace

GraphStatus Graph::build(const Crystal& crystal, double atom_cutoff, double bond_cutoff,
                         const GraphLimits& limits) {
    n_atoms_ = crystal.n_atoms;
    numbers_ = crystal.numbers;
    const GraphStatus status = find_edges(crystal, atom_cutoff, limits);
    if (status != GraphStatus::kOk) return status;
    if (has_isolated_atom()) return GraphStatus::kIsolated;
    short_edges_first(bond_cutoff);
    make_bonds();
    return make_corners(limits);
}

GraphStatus Graph::find_edges(const Crystal& crystal, double cutoff, const GraphLimits& limits) {
    const int n = crystal.n_atoms;
    if (n < 1 || !all_finite(crystal.positions, 3 * n) || !all_finite(crystal.cell, 9))
        return GraphStatus::kBadInput;
    Matrix3 cell;
    std::copy(crystal.cell, crystal.cell + 9, cell.begin());
    const bool* periodic = crystal.periodic;
    if (periodic[0] && periodic[1] && periodic[2]) cell = reduced(cell);
    const double volume = determinant(cell);
    if (!(std::fabs(volume) > 1e-6)) return GraphStatus::kBadInput;

    const Matrix3 normals = cofactors(cell);
    int images[3];
    for (int k = 0; k < 3; ++k) {
        const double height = std::fabs(volume) / norm3(&normals[3 * k]);
        const double needed = periodic[k] ? std::ceil(cutoff / height) : 0.0;
        if (!(needed <= kMaxImages)) return GraphStatus::kBadInput;
        images[k] = static_cast<int>(needed);
    }
    // Wrap into the cell, so that the images above suffice.
    wrapped_.resize(3 * static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i) {
        const double* x = crystal.positions + 3 * i;
        double* w = &wrapped_[3 * i];
        std::copy(x, x + 3, w);
        for (int k = 0; k < 3; ++k) {
            if (!periodic[k]) continue;
            const double shift = std::floor(dot3(x, &normals[3 * k]) / volume);
            for (int c = 0; c < 3; ++c) w[c] -= shift * cell[3 * k + c];
        }
    }
    // Bins no thinner than the cutoff along directions that have room for two of them: what is
    // near an atom is in its bin, in those beside it, or in their images.
    int bins[3], reach[3];
    for (int k = 0; k < 3; ++k) {
        const double height = std::fabs(volume) / norm3(&normals[3 * k]);
        const double fit = periodic[k] ? std::floor(height / (cutoff * (1.0 + kRounding))) : 1.0;
        bins[k] = static_cast<int>(std::min<double>(kMostBins, std::max(1.0, fit)));
        reach[k] = bins[k] > 1 ? 1 : images[k];
    }
    fill_bins(normals, volume, bins);
    edges_.clear();
    same_place_ = false;
    const long most =
        std::min<long>(limits.edges, static_cast<long>(limits.neighbours_per_atom) * n);
    for (int i = 0; i < n; ++i) {
        const double* x = &wrapped_[3 * i];
        const std::array<int, 3>& at = bin_of_[i];
        for (int a = at[0] - reach[0]; a <= at[0] + reach[0]; ++a) {
            const int along = floor_of_ratio(a, bins[0]);
            for (int b = at[1] - reach[1]; b <= at[1] + reach[1]; ++b) {
                const int across = floor_of_ratio(b, bins[1]);
                const int row = (a - along * bins[0]) * bins[1] + b - across * bins[1];
                double moved[3];
                for (int k = 0; k < 3; ++k)
                    moved[k] = x[k] - along * cell[k] - across * cell[3 + k];
                for (int c = at[2] - reach[2]; c <= at[2] + reach[2]; ++c) {
                    const int up = floor_of_ratio(c, bins[2]);
                    const int flat = row * bins[2] + c - up * bins[2];
                    const double p[3] = {moved[0] - up * cell[6], moved[1] - up * cell[7],
                                         moved[2] - up * cell[8]};
                    // Each undirected pair once: i < j for any image, i = j for half of them.
                    const bool half =
                        along > 0 || (along == 0 && (across > 0 || (across == 0 && up > 0)));
                    join(i, p, flat, half ? i : i + 1, cutoff);
                }
            }
            if (2 * static_cast<long>(edges_.size()) > most) return GraphStatus::kBadInput;
        }
    }
    return GraphStatus::kOk;
}

// Edges from atom i, at p with respect to a bin's image, to the bin's atoms from `least` on.
void Graph::join(int i, const double p[3], int bin, int least, double cutoff) {
    const auto last = in_bins_.begin() + first_in_bin_[bin + 1];
    const auto first = in_bins_.begin() + first_in_bin_[bin];
    // One bin, which small cells have, holds atom k at place k.
    auto j = first_in_bin_.size() == 2 ? first + least : std::lower_bound(first, last, least);
    for (; j != last; ++j) {
        const double* q = &wrapped_[3 * static_cast<std::size_t>(*j)];
        const double d[3] = {p[0] - q[0], p[1] - q[1], p[2] - q[2]};
        const double d2 = dot3(d, d);
        if (d2 > cutoff * cutoff) continue;
        if (d2 < kSamePlace * kSamePlace) {
            same_place_ = true;
            continue;
        }
        edges_.push_back({i, *j, {d[0], d[1], d[2]}, std::sqrt(d2)});
    }
}

// The bin of every wrapped atom, and the atoms of every bin in their order.
void Graph::fill_bins(const Matrix3& normals, double volume, const int bins[3]) {
    const std::size_t n = n_atoms_, count = static_cast<std::size_t>(bins[0]) * bins[1] * bins[2];
    bin_of_.resize(n);
    in_bins_.resize(n);
    first_in_bin_.assign(count + 1, 0);
    const auto flat = [&](std::size_t i) {
        return (bin_of_[i][0] * bins[1] + bin_of_[i][1]) * bins[2] + bin_of_[i][2];
    };
    for (std::size_t i = 0; i < n; ++i) {
        for (int k = 0; k < 3; ++k) {
            const double share = dot3(&wrapped_[3 * i], &normals[3 * k]) / volume;
            const double bin = bins[k] > 1 ? std::floor(share * bins[k]) : 0.0;
            bin_of_[i][k] = static_cast<int>(std::min(bins[k] - 1.0, std::max(0.0, bin)));
        }
        ++first_in_bin_[flat(i) + 1];
    }
    for (std::size_t b = 0; b < count; ++b) first_in_bin_[b + 1] += first_in_bin_[b];
    fill_.assign(first_in_bin_.begin(), first_in_bin_.end() - 1);
    for (std::size_t i = 0; i < n; ++i) in_bins_[fill_[flat(i)]++] = static_cast<int>(i);
}

bool Graph::has_isolated_atom() const {
    seen_.assign(n_atoms_, 0);
    for (const Edge& e : edges_) seen_[e.i] = seen_[e.j] = 1;
    return std::find(seen_.begin(), seen_.end(), 0) != seen_.end();
}

void Graph::short_edges_first(double bond_cutoff) {
    sorted_.clear();
    for (const Edge& e : edges_)
        if (e.distance < bond_cutoff) sorted_.push_back(e);
    n_short_ = static_cast<int>(sorted_.size());
    for (const Edge& e : edges_)
        if (!(e.distance < bond_cutoff)) sorted_.push_back(e);
    edges_.swap(sorted_);
}

double Graph::closest() const {
    if (same_place_) return 0.0;
    double shortest = edges_.front().distance;
    for (const Edge& e : edges_) shortest = std::min(shortest, e.distance);
    return shortest;
}

void Graph::make_bonds() {
    first_bond_.assign(n_atoms_ + 1, 0);
    for (int u = 0; u < n_short_; ++u) {
        ++first_bond_[edges_[u].i + 1];
        ++first_bond_[edges_[u].j + 1];
    }
    for (int i = 0; i < n_atoms_; ++i) first_bond_[i + 1] += first_bond_[i];
    fill_.assign(first_bond_.begin(), first_bond_.end() - 1);
    bonds_.resize(2 * static_cast<std::size_t>(n_short_));
    for (int u = 0; u < n_short_; ++u) {
        const Edge& e = edges_[u];
        const double x = e.vector[0] / e.distance, y = e.vector[1] / e.distance,
                     z = e.vector[2] / e.distance;
        bonds_[fill_[e.i]++] = {e.i, u, 1.0, {x, y, z}};
        bonds_[fill_[e.j]++] = {e.j, u, -1.0, {-x, -y, -z}};
    }
}

GraphStatus Graph::make_corners(const GraphLimits& limits) {
    corners_.clear();
    long total = 0;
    for (int i = 0; i < n_atoms_; ++i) {
        const long m = first_bond_[i + 1] - first_bond_[i];
        total += m * (m - 1);
    }
    if (total > limits.angles) return GraphStatus::kBadInput;
    corners_.reserve(static_cast<std::size_t>(total / 2));
    for (int i = 0; i < n_atoms_; ++i)
        for (int k = first_bond_[i]; k < first_bond_[i + 1]; ++k)
            for (int l = k + 1; l < first_bond_[i + 1]; ++l) {
                const double c = dot3(bonds_[k].unit, bonds_[l].unit) * kCosineScale;
                const double cosine = std::min(1.0, std::max(-1.0, c));
                corners_.push_back({k, l, cosine, std::acos(cosine)});
            }
    return GraphStatus::kOk;
}

void Graph::pull_back(const double* d_distance, const double* d_angle, double* forces,
                      double* virial) const {
    d_unit_.assign(3 * bonds_.size(), 0.0);
    for (std::size_t p = 0; p < corners_.size(); ++p) {
        const Corner& corner = corners_[p];
        const double sine2 = std::max(1e-12, 1.0 - corner.cosine * corner.cosine);
        const double d_cosine = -d_angle[p] / std::sqrt(sine2) * kCosineScale;
        const double* one = bonds_[corner.bond].unit;
        const double* two = bonds_[corner.other].unit;
        for (int c = 0; c < 3; ++c) {
            d_unit_[3 * corner.bond + c] += d_cosine * two[c];
            d_unit_[3 * corner.other + c] += d_cosine * one[c];
        }
    }
    d_vector_.resize(3 * edges_.size());
    for (std::size_t u = 0; u < edges_.size(); ++u)
        for (int c = 0; c < 3; ++c)
            d_vector_[3 * u + c] = d_distance[u] * edges_[u].vector[c] / edges_[u].distance;
    for (std::size_t k = 0; k < bonds_.size(); ++k) {
        const Bond& bond = bonds_[k];
        const double along = dot3(&d_unit_[3 * k], bond.unit);
        for (int c = 0; c < 3; ++c)
            d_vector_[3 * bond.edge + c] += (d_unit_[3 * k + c] - along * bond.unit[c]) *
                                            bond.sign / edges_[bond.edge].distance;
    }
    std::fill(forces, forces + 3 * n_atoms_, 0.0);
    std::fill(virial, virial + 9, 0.0);
    for (std::size_t u = 0; u < edges_.size(); ++u) {
        const Edge& e = edges_[u];
        const double* g = &d_vector_[3 * u];
        for (int c = 0; c < 3; ++c) {
            forces[3 * e.i + c] -= g[c];
            forces[3 * e.j + c] += g[c];
            for (int d = 0; d < 3; ++d) virial[3 * d + c] += e.vector[d] * g[c];
        }
    }
}

}  // namespace gencsp
