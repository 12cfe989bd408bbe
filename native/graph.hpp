// The atom graph and the bond graph of a crystal, in CHGNet's conventions.
//
// Atom graph: every pair of atoms or images within `atom_cutoff`, one undirected edge for the two
// directions. Bond graph: at each atom, every ordered pair of different edges shorter than
// `bond_cutoff` (Deng et al., Nat. Mach. Intell. 5, 1031 (2023), Methods).
#pragma once

#include <vector>

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

// What the network needs: counts, indices, distances and angles. Edges shorter than the bond cutoff
// come first, so that they are the nodes of the bond graph without another index.
struct GraphView {
    int n_atoms, n_edges, n_short, n_directed, n_short_directed, n_angles;
    const int* numbers;
    const double* distance;     // [n_edges]
    const int* centre;          // [n_directed], ascending
    const int* neighbour;       // [n_directed]
    const int* edge;            // [n_directed]
    const int* bond_centre;     // [n_short_directed], ascending
    const int* bond_edge;       // [n_short_directed]
    const int* angle_bond;      // [n_angles], ascending: the directed bond that is updated
    const int* angle_edge;      // [n_angles]: its edge
    const int* angle_other;     // [n_angles]: edge of the other bond
    const double* angle;        // [n_angles], radians
};

class Graph {
public:
    GraphStatus build(const Crystal& crystal, double atom_cutoff, double bond_cutoff,
                      const GraphLimits& limits);
    GraphView view() const;

    // Forces (eV/Å, [n_atoms][3]) and dE/dstrain (eV, [3][3]) from dE/d(distance), dE/d(angle).
    void pull_back(const double* d_distance, const double* d_angle, double* forces,
                   double* virial) const;

private:
    struct Pair {
        int i, j;
        double vector[3];  // from j to i
        double distance;
    };

    GraphStatus find_pairs(const Crystal& crystal, double cutoff, const GraphLimits& limits);
    void sort_edges(double bond_cutoff);
    void make_directed();
    void make_bonds();
    GraphStatus make_angles(const GraphLimits& limits);

    int n_atoms_ = 0, n_short_ = 0;
    const int* numbers_ = nullptr;
    std::vector<Pair> pairs_, sorted_;
    std::vector<double> distance_, angle_, cosine_, unit_;
    std::vector<double> wrapped_;
    std::vector<int> first_, fill_, centre_, neighbour_, edge_;
    std::vector<int> bond_first_, bond_centre_, bond_edge_;
    std::vector<double> bond_sign_;
    std::vector<char> seen_;
    std::vector<int> angle_bond_, angle_other_bond_, angle_edge_, angle_other_;
    mutable std::vector<double> d_unit_, d_vector_;
};

}  // namespace gencsp
