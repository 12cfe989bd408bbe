// What is equivalent in a crystal, so that the network computes it once.
//
// CHGNet's features of an atom, edge or angle depend on nothing but what it is joined to, and on
// the distances and angles there. Colour refinement (Weisfeiler & Leman, 1968) on the same graph,
// started from the elements, distances and angles, ends with classes whose members have the same
// features at every layer and the same derivatives; the atoms of an orbit of the space group are
// always in one class. The network then runs on the classes, with counts. A crystal without
// symmetry gives one class for each atom, edge and angle.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "graph.hpp"

namespace gencsp {

// What the network needs, of one member of each class: counts, indices, distances and angles.
struct GraphView {
    int n_atoms, n_edges, n_short, n_directed, n_short_directed, n_angles, n_corners;
    const int* numbers;       // [n_atoms]
    const float* atom_count;  // [n_atoms]: atoms of the class
    const double* distance;   // [n_edges]; those of the bond graph come first
    // Directions of edges, by edge; those of the bond graph come first.
    const int* centre;            // [n_directed]
    const int* neighbour;         // [n_directed]
    const int* edge;              // [n_directed]
    const float* directed_count;  // [n_directed]: such edges of one atom at the centre
    // Ordered angles: the bond that is updated (a direction), its edge, the other bond's edge.
    const int* angle_bond;     // [n_angles]
    const int* angle_edge;     // [n_angles]
    const int* angle_other;    // [n_angles]
    const int* angle_corner;   // [n_angles]
    const float* angle_count;  // [n_angles]: such angles of one edge that is updated
    const double* angle;       // [n_corners], radians
};

class Classes {
public:
    // Partition a graph. `merge`: false puts everything in a class of its own.
    void find(const Graph& graph, bool merge);
    const GraphView& view() const { return view_; }

    int of_atom(int i) const { return atom_.of[i]; }
    // Derivatives of the classes, [n_edges] and [n_corners] of the view, shared out to the members.
    void share_out(const std::vector<double>& d_distance, const std::vector<double>& d_angle,
                   std::vector<double>& of_edges, std::vector<double>& of_corners) const;

private:
    using Colour = std::uint64_t;

    // Colours of one kind of thing and the classes that they make.
    struct Partition {
        std::vector<Colour> colour, joined;
        std::vector<int> of, first, count;  // class of each; first member and members of each

        void number(std::vector<int>& table);
        void all_different();
    };

    bool start(const Graph& graph);
    void refine(const Graph& graph);
    void count_angles(const Graph& graph);
    void directed(const Graph& graph);
    void angles(const Graph& graph);

    Partition atom_, edge_, angle_, corner_;  // angle 2p and 2p + 1 are the orders of corner p
    std::vector<std::pair<double, int>> sorted_;
    std::vector<int> table_;
    GraphView view_{};
    std::vector<int> numbers_, first_directed_, centre_, neighbour_, of_directed_;
    std::vector<int> angle_bond_, angle_edge_, angle_other_, angle_corner_;
    std::vector<float> atom_count_, directed_count_, angle_count_;
    std::vector<double> distance_, value_;
};

}  // namespace gencsp
