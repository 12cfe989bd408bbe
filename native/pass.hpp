// One forward and backward pass of the network: its arrays and what it is made of.
//
// First layers are split by input slot: a product per atom, per edge and per angle, added where
// they meet. Messages run in blocks that stay in the first-level cache, and what belongs to edges or
// angles alone is made and used up within its block: in crystals beyond a few atoms memory limits
// the rate. A message keeps its slopes for the way back; where that would take too much memory it
// is computed a second time instead.
//
// Where equivalent atoms, edges and angles are one (classes.hpp), a message counts as often as it
// arrives, and gradients are those of the sum over the class.
#pragma once

#include "basis.hpp"
#include "rows.hpp"

namespace gencsp::GENCSP_ISA {

constexpr int kBlock = 24;              // messages worked on together, a multiple of kTileRows
constexpr int kSpareRows = kBlock;      // behind the last row of every array
constexpr long kMostRecords = 400'000;  // messages (all layers) that keep a record: 310 MB

GENCSP_INLINE int smaller(int a, int b) { return a < b ? a : b; }
// Where the last block begins. The way back starts there: what was written last is still at hand.
GENCSP_INLINE int last_block(int count) { return count > 0 ? (count - 1) / kBlock * kBlock : -1; }

struct Pass {
    const Weights& w;
    const GraphView& g;
    Workspace& work;
    int next_buffer = 0;
    bool keep = false;    // slopes are kept for the way back
    bool angles = false;  // the crystal has angles

    // Features by layer. Only short edges' change; long ones enter through their basis.
    // Before their first update angles are their corner's.
    float *atom[kConvolutions + 1], *bond[kConvolutions], *angle[kConvolutions - 1];
    float *radial, *radial_slope, *bond_radial, *bond_radial_slope, *fourier, *fourier_slope;
    float *edge_weight, *bond_weight;
    Record atom_record[kConvolutions], bond_record[kConvolutions - 1];
    Record angle_record[kConvolutions - 2], scratch;
    // First-layer products: per centre, per neighbour, per edge; per bond, per other bond, per
    // corner.
    float *from_centre, *from_neighbour, *from_edge, *from_bond, *from_other, *from_corner;
    float* gathered;
    // One block of hidden activations, of pre-activations of the gate and of its outputs.
    float *hidden, *pre, *output;
    // Gradients; those of the products reuse their memory only on the way back.
    float *d_atom, *d_bond, *d_angle, *d_corner, *d_radial, *d_bond_radial, *d_fourier;
    float *d_edge_weight, *d_bond_weight, *d_gathered;
    float *d_centre, *d_neighbour, *d_edge, *d_from_bond, *d_other, *d_from_corner;
    float *d_hidden, *d_pre, *along;

    Pass(const Weights& weights, const GraphView& graph, Workspace& workspace)
        : w(weights), g(graph), work(workspace) {
        angles = g.n_angles > 0;
    }

    float* rows(long count, int width) {
        return work.buffer[next_buffer++].floats((size_t)(count + kSpareRows) * width);
    }
    float* zero_rows(long count, int width) {
        float* p = rows(count, width);
        memset(p, 0, (size_t)(count + kSpareRows) * width * sizeof(float));
        return p;
    }

    Record record(long count, bool slopes) {
        Record r;
        if (slopes) r.slope = (int*)rows(count, kFeatures);
        r.normed = rows(count, kGated);
        r.scale = rows(count, 2);
        return r;
    }

    void run(const NetworkOutput& out);

private:
    void allocate(bool backward);
    void allocate_gradients();
    void expand_bases();
    void embed();
    void forward(double* magmom);
    void backward();
    void readout(const NetworkOutput& out);
    void moments(double* magmom);
    void geometry_gradients(const NetworkOutput& out);

    void atom_products(int layer);
    // Directions of the edges whose features a bond convolution has changed; they come first.
    int changed_directions(int layer) const {
        return angles && layer > 0 ? g.n_short_directed : 0;
    }
    // Edges in a block of directions.
    int edges_of(int begin, int count) const {
        return g.edge[begin + count - 1] - g.edge[begin] + 1;
    }
    void edge_term(int layer, int begin, int count);
    void edge_term_back(int layer, int begin, int count);
    void atom_messages(int layer, int begin, int count, const Record& record);
    void atom_forward_block(int layer, int begin, int count);
    void atom_backward_block(int layer, int begin, int count);
    void atom_forward(int layer);
    void atom_backward(int layer);

    void angle_products(const GatedLayer& gate, int layer, const float* centre_features,
                        const float* bond_features);
    const float* angle_term(const GatedLayer& gate, int layer, int begin, int count) const;
    void angle_term_back(const GatedLayer& gate, int layer, int begin, int count, const float* d_y);
    void angle_products_back(const GatedLayer& gate, int layer);

    void bond_messages(int layer, int begin, int count, const Record& record);
    void bond_forward(int layer);
    void bond_backward(int layer);
    void update_messages(int layer, int begin, int count, const Record& record);
    void update_forward(int layer);
    void update_backward(int layer);
};

inline void Pass::allocate(bool backward) {
    const long n = g.n_atoms, edges = g.n_edges, shorts = g.n_short;
    for (float*& a : atom) a = rows(n, kFeatures);
    for (float*& b : bond) b = rows(shorts, kFeatures);
    for (float*& a : angle) a = rows(&a == angle ? g.n_corners : g.n_angles, kFeatures);
    // Beyond the functions these rows hold the zeros that they were made with.
    radial = rows(edges, kBasis);
    bond_radial = rows(shorts, kBasis);
    fourier = rows(g.n_corners, kBasis);
    radial_slope = rows(edges, kBasis);
    bond_radial_slope = rows(shorts, kBasis);
    fourier_slope = rows(g.n_corners, kBasis);
    edge_weight = rows(edges, kFeatures);
    bond_weight = rows(shorts, kFeatures);
    from_centre = rows(n, kGated);
    from_neighbour = rows(n, kGated);
    from_edge = rows(shorts > kBlock ? shorts : kBlock, kGated);
    from_bond = rows(g.n_short_directed, kGated);
    from_other = rows(shorts, kGated);
    from_corner = rows(g.n_corners, kGated);
    gathered = rows(n > shorts ? n : shorts, kFeatures);
    scratch = record(kBlock, true);
    hidden = zero_rows(kBlock, kGated);
    pre = zero_rows(kBlock, kGated);
    output = rows(kBlock, kFeatures);
    const long records = (long)g.n_directed * kConvolutions + (long)g.n_angles * 5;
    keep = backward && records <= kMostRecords;
    if (!keep) return;
    for (Record& r : atom_record) r = record(g.n_directed, true);
    for (Record& r : bond_record) r = record(g.n_angles, true);
    for (Record& r : angle_record) r = record(g.n_angles, false);
}

inline void Pass::allocate_gradients() {
    const long n = g.n_atoms, edges = g.n_edges, shorts = g.n_short;
    d_atom = zero_rows(n, kFeatures);
    d_bond = zero_rows(shorts, kFeatures);
    d_angle = rows(g.n_angles, kFeatures);
    d_corner = zero_rows(g.n_corners, kFeatures);
    d_radial = zero_rows(edges, kBasis);
    d_bond_radial = zero_rows(shorts, kBasis);
    d_fourier = zero_rows(g.n_corners, kBasis);
    d_edge_weight = zero_rows(edges, kFeatures);
    d_bond_weight = zero_rows(shorts, kFeatures);
    d_gathered = rows(n > shorts ? n : shorts, kFeatures);
    d_centre = rows(n, kGated);
    d_neighbour = rows(n, kGated);
    d_edge = rows(shorts > kBlock ? shorts : kBlock, kGated);
    d_from_bond = rows(g.n_short_directed, kGated);
    d_other = rows(shorts, kGated);
    d_from_corner = rows(g.n_corners, kGated);
    d_hidden = zero_rows(kBlock, kGated);
    d_pre = zero_rows(kBlock, kGated);
    along = rows(kBlock, 2);
}

}  // namespace gencsp::GENCSP_ISA
