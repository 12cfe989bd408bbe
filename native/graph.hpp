// The atom graph and the bond graph of a crystal, in CHGNet's conventions.
//
// Atom graph: every pair of atoms or images within `atom_cutoff`, one undirected edge for the two
// directions. Bond graph: at each atom, every ordered pair of different edges shorter than
// `bond_cutoff` (Deng et al., Nat. Mach. Intell. 5, 1031 (2023), Methods). The two orders of a pair
// have one angle in common, the corner.
#pragma once

#include <array>
#include <vector>

#include "linalg3.hpp"

namespace gencsp {

// The crystal that a graph is made from. Lengths in Å; rows of `cell` are the lattice vectors.
struct Crystal {
    int n_atoms = 0;
    const int* numbers = nullptr;
    const double* positions = nullptr;  // [n_atoms][3]
    const double* cell = nullptr;       // [3][3]
    bool periodic[3] = {true, true, true};
};

// Bounds on what is worth a graph: they keep memory and time bounded whatever the input.
struct GraphLimits {
    int neighbours_per_atom = 2500;
    long edges = 2'000'000;
    long angles = 3'000'000;
};

enum class GraphStatus { kOk, kBadInput, kIsolated };

class Graph {
public:
    struct Edge {
        int i, j;
        double vector[3];  // from j to i, Å
        double distance;   // Å
    };
    // A bond is one direction of an edge that is shorter than the bond cutoff.
    struct Bond {
        int centre, edge;
        double sign;  // of the direction, against the edge's vector
        double unit[3];
    };
    // Two different bonds of one atom.
    struct Corner {
        int bond, other;
        double cosine, angle;  // radians
    };

    GraphStatus build(const Crystal& crystal, double atom_cutoff, double bond_cutoff,
                      const GraphLimits& limits);

    int n_atoms() const { return n_atoms_; }
    const int* numbers() const { return numbers_; }
    // Edges shorter than the bond cutoff come first: they are the nodes of the bond graph.
    int n_short() const { return n_short_; }
    const std::vector<Edge>& edges() const { return edges_; }
    const std::vector<Bond>& bonds() const { return bonds_; }        // by centre
    const std::vector<Corner>& corners() const { return corners_; }  // by centre
    // Shortest distance between nuclei, Å; 0 where two are on one place, which no edge joins.
    double closest() const;

    // Forces (eV/Å, [n_atoms][3]) and dE/dstrain (eV, [3][3]) from dE/d(distance) of each edge and
    // dE/d(angle) of each corner.
    void pull_back(const double* d_distance, const double* d_angle, double* forces,
                   double* virial) const;

private:
    GraphStatus find_edges(const Crystal& crystal, double cutoff, const GraphLimits& limits);
    void fill_bins(const Matrix3& normals, double volume, const int bins[3]);
    void join(int i, const double p[3], int bin, int least, double cutoff);
    void short_edges_first(double bond_cutoff);
    bool has_isolated_atom() const;
    void make_bonds();
    GraphStatus make_corners(const GraphLimits& limits);

    int n_atoms_ = 0, n_short_ = 0;
    bool same_place_ = false;
    const int* numbers_ = nullptr;
    std::vector<Edge> edges_, sorted_;
    std::vector<Bond> bonds_;
    std::vector<Corner> corners_;
    std::vector<double> wrapped_;
    std::vector<std::array<int, 3>> bin_of_;
    std::vector<int> first_in_bin_, in_bins_, first_bond_, fill_;
    mutable std::vector<char> seen_;
    mutable std::vector<double> d_unit_, d_vector_;
};

}  // namespace gencsp
