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

bool all_finite(const double* x, int count) {
    return std::all_of(x, x + count, [](double v) { return std::isfinite(v); });
}

}  // namespace

GraphStatus Graph::build(const Crystal& crystal, double atom_cutoff, double bond_cutoff,
                         const GraphLimits& limits) {
    n_atoms_ = crystal.n_atoms;
    numbers_ = crystal.numbers;
    GraphStatus status = find_pairs(crystal, atom_cutoff, limits);
    if (status != GraphStatus::kOk) return status;
    sort_edges(bond_cutoff);
    make_directed();
    for (int i = 0; i < n_atoms_; ++i)
        if (first_[i] == first_[i + 1]) return GraphStatus::kIsolated;
    make_bonds();
    return make_angles(limits);
}

GraphStatus Graph::find_pairs(const Crystal& crystal, double cutoff, const GraphLimits& limits) {
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
    pairs_.clear();
    const double cutoff2 = cutoff * cutoff;
    const long most = std::min<long>(limits.edges, static_cast<long>(limits.neighbours_per_atom) * n);
    for (int a = -images[0]; a <= images[0]; ++a)
        for (int b = -images[1]; b <= images[1]; ++b)
            for (int c = -images[2]; c <= images[2]; ++c) {
                double shift[3];
                for (int k = 0; k < 3; ++k) shift[k] = a * cell[k] + b * cell[3 + k] + c * cell[6 + k];
                // Each undirected pair once: i < j for any image, i = j for half of the images.
                const bool half = a > 0 || (a == 0 && (b > 0 || (b == 0 && c > 0)));
                for (int i = 0; i < n; ++i) {
                    double p[3];
                    for (int k = 0; k < 3; ++k) p[k] = wrapped_[3 * i + k] - shift[k];
                    for (int j = half ? i : i + 1; j < n; ++j) {
                        const double* q = &wrapped_[3 * j];
                        const double d[3] = {p[0] - q[0], p[1] - q[1], p[2] - q[2]};
                        const double d2 = dot3(d, d);
                        if (d2 > cutoff2 || d2 < kSamePlace * kSamePlace) continue;
                        pairs_.push_back({i, j, {d[0], d[1], d[2]}, std::sqrt(d2)});
                    }
                }
                if (2 * static_cast<long>(pairs_.size()) > most) return GraphStatus::kBadInput;
            }
    return GraphStatus::kOk;
}

void Graph::sort_edges(double bond_cutoff) {
    sorted_.clear();
    for (const Pair& p : pairs_)
        if (p.distance < bond_cutoff) sorted_.push_back(p);
    n_short_ = static_cast<int>(sorted_.size());
    for (const Pair& p : pairs_)
        if (!(p.distance < bond_cutoff)) sorted_.push_back(p);
    pairs_.swap(sorted_);
    distance_.resize(pairs_.size());
    for (std::size_t u = 0; u < pairs_.size(); ++u) distance_[u] = pairs_[u].distance;
}

void Graph::make_directed() {
    first_.assign(n_atoms_ + 1, 0);
    for (const Pair& p : pairs_) {
        ++first_[p.i + 1];
        ++first_[p.j + 1];
    }
    for (int i = 0; i < n_atoms_; ++i) first_[i + 1] += first_[i];
    fill_.assign(first_.begin(), first_.end() - 1);
    const std::size_t count = 2 * pairs_.size();
    centre_.resize(count);
    neighbour_.resize(count);
    edge_.resize(count);
    const auto add = [this](int i, int j, int u) {
        const int d = fill_[i]++;
        centre_[d] = i;
        neighbour_[d] = j;
        edge_[d] = u;
    };
    for (std::size_t u = 0; u < pairs_.size(); ++u) {
        add(pairs_[u].i, pairs_[u].j, static_cast<int>(u));
        add(pairs_[u].j, pairs_[u].i, static_cast<int>(u));
    }
}

void Graph::make_bonds() {
    bond_first_.assign(n_atoms_ + 1, 0);
    bond_centre_.clear();
    bond_edge_.clear();
    bond_sign_.clear();
    unit_.clear();
    seen_.assign(n_short_, 0);
    for (int i = 0; i < n_atoms_; ++i) {
        for (int d = first_[i]; d < first_[i + 1]; ++d) {
            const int u = edge_[d];
            if (u >= n_short_) continue;
            const Pair& p = pairs_[u];
            // A bond between an atom and its own image leaves that atom in both directions.
            const bool reverse = p.i == p.j ? seen_[u] != 0 : p.i != i;
            seen_[u] = 1;
            const double sign = reverse ? -1.0 : 1.0;
            bond_centre_.push_back(i);
            bond_edge_.push_back(u);
            bond_sign_.push_back(sign);
            for (double x : p.vector) unit_.push_back(sign * x / p.distance);
        }
        bond_first_[i + 1] = static_cast<int>(bond_centre_.size());
    }
}

GraphStatus Graph::make_angles(const GraphLimits& limits) {
    angle_bond_.clear();
    angle_other_bond_.clear();
    angle_edge_.clear();
    angle_other_.clear();
    angle_.clear();
    cosine_.clear();
    long total = 0;
    for (int i = 0; i < n_atoms_; ++i) {
        const long m = bond_first_[i + 1] - bond_first_[i];
        total += m * (m - 1);
    }
    if (total > limits.angles) return GraphStatus::kBadInput;
    for (int i = 0; i < n_atoms_; ++i)
        for (int k = bond_first_[i]; k < bond_first_[i + 1]; ++k)
            for (int l = bond_first_[i]; l < bond_first_[i + 1]; ++l) {
                if (l == k) continue;
                const double c = dot3(&unit_[3 * k], &unit_[3 * l]) * kCosineScale;
                const double cosine = std::min(1.0, std::max(-1.0, c));
                angle_bond_.push_back(k);
                angle_other_bond_.push_back(l);
                angle_edge_.push_back(bond_edge_[k]);
                angle_other_.push_back(bond_edge_[l]);
                cosine_.push_back(cosine);
                angle_.push_back(std::acos(cosine));
            }
    return GraphStatus::kOk;
}

GraphView Graph::view() const {
    GraphView v;
    v.n_atoms = n_atoms_;
    v.n_edges = static_cast<int>(pairs_.size());
    v.n_short = n_short_;
    v.n_directed = 2 * v.n_edges;
    v.n_short_directed = static_cast<int>(bond_centre_.size());
    v.n_angles = static_cast<int>(angle_.size());
    v.numbers = numbers_;
    v.distance = distance_.data();
    v.centre = centre_.data();
    v.neighbour = neighbour_.data();
    v.edge = edge_.data();
    v.bond_centre = bond_centre_.data();
    v.bond_edge = bond_edge_.data();
    v.angle_bond = angle_bond_.data();
    v.angle_edge = angle_edge_.data();
    v.angle_other = angle_other_.data();
    v.angle = angle_.data();
    return v;
}

void Graph::pull_back(const double* d_distance, const double* d_angle, double* forces,
                      double* virial) const {
    const std::size_t n_bonds = bond_centre_.size();
    d_unit_.assign(3 * n_bonds, 0.0);
    for (std::size_t t = 0; t < angle_.size(); ++t) {
        const double sine2 = std::max(1e-12, 1.0 - cosine_[t] * cosine_[t]);
        const double d_cosine = -d_angle[t] / std::sqrt(sine2) * kCosineScale;
        const int k = angle_bond_[t], l = angle_other_bond_[t];
        for (int c = 0; c < 3; ++c) {
            d_unit_[3 * k + c] += d_cosine * unit_[3 * l + c];
            d_unit_[3 * l + c] += d_cosine * unit_[3 * k + c];
        }
    }
    d_vector_.resize(3 * pairs_.size());
    for (std::size_t u = 0; u < pairs_.size(); ++u)
        for (int c = 0; c < 3; ++c)
            d_vector_[3 * u + c] = d_distance[u] * pairs_[u].vector[c] / pairs_[u].distance;
    for (std::size_t k = 0; k < n_bonds; ++k) {
        const int u = bond_edge_[k];
        const double along = dot3(&d_unit_[3 * k], &unit_[3 * k]);
        for (int c = 0; c < 3; ++c)
            d_vector_[3 * u + c] += (d_unit_[3 * k + c] - along * unit_[3 * k + c]) *
                                    bond_sign_[k] / pairs_[u].distance;
    }
    std::fill(forces, forces + 3 * n_atoms_, 0.0);
    std::fill(virial, virial + 9, 0.0);
    for (std::size_t u = 0; u < pairs_.size(); ++u) {
        const Pair& p = pairs_[u];
        const double* g = &d_vector_[3 * u];
        for (int c = 0; c < 3; ++c) {
            forces[3 * p.i + c] -= g[c];
            forces[3 * p.j + c] += g[c];
            for (int d = 0; d < 3; ++d) virial[3 * d + c] += p.vector[d] * g[c];
        }
    }
}

}  // namespace gencsp
