#include "classes.hpp"

#include <algorithm>

namespace gencsp {

namespace {

// Å and radians: what the network's single precision cannot tell apart.
constexpr double kSameDistance = 2e-7, kSameAngle = 4e-7;
// A crystal where more of the distances differ is not worth a closer look.
constexpr double kMostDifferent = 0.8;

// Finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014): colours are hashes, so that sums of
// them stand for multisets; two different ones of a call agree once in 10^13 calls.
inline std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

constexpr std::uint64_t kSecond = 0xd6e8feb86659fd93, kThird = 0xa0761d6478bd642f;

}  // namespace

// Classes from colours, numbered in the order of their first members.
void Classes::Partition::number(std::vector<int>& table) {
    const std::size_t n = colour.size();
    std::size_t room = 16;
    while (room < 2 * n) room *= 2;
    table.assign(room, -1);
    of.resize(n);
    first.clear();
    count.clear();
    for (std::size_t i = 0; i < n; ++i) {
        std::size_t slot = colour[i] & (room - 1);
        while (table[slot] >= 0 && colour[first[table[slot]]] != colour[i])
            slot = (slot + 1) & (room - 1);
        if (table[slot] < 0) {
            table[slot] = static_cast<int>(first.size());
            first.push_back(static_cast<int>(i));
            count.push_back(0);
        }
        of[i] = table[slot];
        ++count[of[i]];
    }
}

void Classes::Partition::all_different() {
    const std::size_t n = colour.size();
    of.resize(n);
    for (std::size_t i = 0; i < n; ++i) of[i] = static_cast<int>(i);
    first = of;
    count.assign(n, 1);
}

void Classes::find(const Graph& graph, bool merge) {
    atom_.colour.resize(graph.n_atoms());
    edge_.colour.resize(graph.edges().size());
    corner_.colour.resize(graph.corners().size());
    angle_.colour.resize(2 * graph.corners().size());
    if (merge && start(graph)) {
        refine(graph);
    } else {
        for (Partition* p : {&atom_, &edge_, &angle_, &corner_}) p->all_different();
    }
    directed(graph);
    angles(graph);
}

// Colours from elements, distances and angles; false if too few are alike.
bool Classes::start(const Graph& graph) {
    const auto cluster = [this](double tolerance, std::vector<Colour>& colour) {
        std::sort(sorted_.begin(), sorted_.end());
        Colour found = 0;
        for (std::size_t i = 0; i < sorted_.size(); ++i) {
            if (i > 0 && sorted_[i].first - sorted_[i - 1].first > tolerance) ++found;
            colour[sorted_[i].second] = mix(found);
        }
        return static_cast<double>(found + 1);
    };
    sorted_.clear();
    for (std::size_t u = 0; u < graph.edges().size(); ++u)
        sorted_.emplace_back(graph.edges()[u].distance, static_cast<int>(u));
    if (cluster(kSameDistance, edge_.colour) > kMostDifferent * static_cast<double>(sorted_.size()))
        return false;
    for (int u = 0; u < graph.n_short(); ++u) edge_.colour[u] += kSecond;
    sorted_.clear();
    for (std::size_t p = 0; p < graph.corners().size(); ++p)
        sorted_.emplace_back(graph.corners()[p].angle, static_cast<int>(p));
    cluster(kSameAngle, corner_.colour);
    for (std::size_t p = 0; p < graph.corners().size(); ++p)
        angle_.colour[2 * p] = angle_.colour[2 * p + 1] = corner_.colour[p];
    for (int i = 0; i < graph.n_atoms(); ++i) atom_.colour[i] = mix(graph.numbers()[i]);
    return true;
}

// Every colour takes up the colours that it is joined to, in each of their roles, until that makes
// no more classes.
void Classes::refine(const Graph& graph) {
    std::size_t before = 0;
    for (;;) {
        atom_.joined.assign(atom_.colour.size(), 0);
        edge_.joined.assign(edge_.colour.size(), 0);
        for (std::size_t p = 0; p < graph.corners().size(); ++p) {
            const Graph::Bond& one = graph.bonds()[graph.corners()[p].bond];
            const Graph::Bond& two = graph.bonds()[graph.corners()[p].other];
            const Colour centre = atom_.colour[one.centre];
            const Colour u = edge_.colour[one.edge], v = edge_.colour[two.edge];
            Colour& forth = angle_.colour[2 * p];
            Colour& back = angle_.colour[2 * p + 1];
            forth = mix(forth + centre + u * kSecond + v * kThird);
            back = mix(back + centre + v * kSecond + u * kThird);
            edge_.joined[one.edge] += forth + back * kSecond;
            edge_.joined[two.edge] += back + forth * kSecond;
            atom_.joined[one.centre] += forth + back;
        }
        for (std::size_t u = 0; u < graph.edges().size(); ++u) {
            const Graph::Edge& e = graph.edges()[u];
            const Colour colour = edge_.colour[u] * kSecond;
            const Colour i = atom_.colour[e.i], j = atom_.colour[e.j];
            atom_.joined[e.i] += mix(colour + j);
            atom_.joined[e.j] += mix(colour + i);
            edge_.colour[u] = mix(colour + edge_.joined[u] + (i + j) * kThird);
        }
        for (std::size_t i = 0; i < atom_.colour.size(); ++i)
            atom_.colour[i] = mix(atom_.colour[i] * kSecond + atom_.joined[i]);
        std::size_t classes = 0;
        for (Partition* p : {&atom_, &edge_, &angle_}) {
            p->number(table_);
            classes += p->first.size();
        }
        if (classes == before) break;
        before = classes;
    }
    for (std::size_t p = 0; p < corner_.colour.size(); ++p)
        corner_.colour[p] = angle_.colour[2 * p] + angle_.colour[2 * p + 1];
    corner_.number(table_);
}

// Both directions of an edge, or one where they are equivalent.
void Classes::directed(const Graph& graph) {
    const std::size_t n_atoms = atom_.first.size(), n_edges = edge_.first.size();
    numbers_.resize(n_atoms);
    atom_count_.resize(n_atoms);
    for (std::size_t a = 0; a < n_atoms; ++a) {
        numbers_[a] = graph.numbers()[atom_.first[a]];
        atom_count_[a] = static_cast<float>(atom_.count[a]);
    }
    distance_.resize(n_edges);
    first_directed_.resize(n_edges);
    centre_.clear();
    neighbour_.clear();
    of_directed_.clear();
    directed_count_.clear();
    const auto add = [this](int i, int j, std::size_t u, int count) {
        centre_.push_back(i);
        neighbour_.push_back(j);
        of_directed_.push_back(static_cast<int>(u));
        directed_count_.push_back(static_cast<float>(count) / static_cast<float>(atom_.count[i]));
    };
    view_.n_short = view_.n_short_directed = 0;
    for (std::size_t u = 0; u < n_edges; ++u) {
        const Graph::Edge& e = graph.edges()[edge_.first[u]];
        const int i = atom_.of[e.i], j = atom_.of[e.j], count = edge_.count[u];
        distance_[u] = e.distance;
        first_directed_[u] = static_cast<int>(centre_.size());
        add(i, j, u, i == j ? 2 * count : count);
        if (i != j) add(j, i, u, count);
        if (edge_.first[u] >= graph.n_short()) continue;
        ++view_.n_short;
        view_.n_short_directed = static_cast<int>(centre_.size());
    }
    view_.n_atoms = static_cast<int>(n_atoms);
    view_.n_edges = static_cast<int>(n_edges);
    view_.n_directed = static_cast<int>(centre_.size());
    view_.numbers = numbers_.data();
    view_.atom_count = atom_count_.data();
    view_.distance = distance_.data();
    view_.centre = centre_.data();
    view_.neighbour = neighbour_.data();
    view_.edge = of_directed_.data();
    view_.directed_count = directed_count_.data();
}

void Classes::angles(const Graph& graph) {
    const std::size_t n_angles = angle_.first.size(), n_corners = corner_.first.size();
    angle_bond_.resize(n_angles);
    angle_edge_.resize(n_angles);
    angle_other_.resize(n_angles);
    angle_corner_.resize(n_angles);
    angle_count_.resize(n_angles);
    for (std::size_t t = 0; t < n_angles; ++t) {
        const int p = angle_.first[t] / 2;
        const Graph::Corner& corner = graph.corners()[p];
        const bool swapped = angle_.first[t] % 2 != 0;
        const Graph::Bond& one = graph.bonds()[swapped ? corner.other : corner.bond];
        const Graph::Bond& two = graph.bonds()[swapped ? corner.bond : corner.other];
        const int u = edge_.of[one.edge], d = first_directed_[u];
        angle_bond_[t] = centre_[d] == atom_.of[one.centre] ? d : d + 1;
        angle_edge_[t] = u;
        angle_other_[t] = edge_.of[two.edge];
        angle_corner_[t] = corner_.of[p];
        angle_count_[t] = static_cast<float>(angle_.count[t]) / static_cast<float>(edge_.count[u]);
    }
    value_.resize(n_corners);
    for (std::size_t p = 0; p < n_corners; ++p) value_[p] = graph.corners()[corner_.first[p]].angle;
    view_.n_angles = static_cast<int>(n_angles);
    view_.n_corners = static_cast<int>(n_corners);
    view_.angle_bond = angle_bond_.data();
    view_.angle_edge = angle_edge_.data();
    view_.angle_other = angle_other_.data();
    view_.angle_corner = angle_corner_.data();
    view_.angle_count = angle_count_.data();
    view_.angle = value_.data();
}

void Classes::share_out(const std::vector<double>& d_distance, const std::vector<double>& d_angle,
                        std::vector<double>& of_edges, std::vector<double>& of_corners) const {
    of_edges.resize(edge_.of.size());
    of_corners.resize(corner_.of.size());
    for (std::size_t u = 0; u < of_edges.size(); ++u)
        of_edges[u] = d_distance[edge_.of[u]] / edge_.count[edge_.of[u]];
    for (std::size_t p = 0; p < of_corners.size(); ++p)
        of_corners[p] = d_angle[corner_.of[p]] / corner_.count[corner_.of[p]];
}

}  // namespace gencsp
