// One forward and backward pass of the network: its arrays and what it is made of.
//
// First layers are split by input slot: a product per atom, per edge and per angle, added where
// they meet. Messages run in blocks that stay in the first-level cache, and what belongs to edges
// or angles alone is made and used up within its block: in crystals beyond a few atoms memory
// limits the rate. A message keeps its slopes for the way back; where that would take too much
// memory it is computed a second time instead.
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

constexpr int kMostParts = 4;
constexpr int kLeastPart = 1000;  // directions of edges that make a part worth its sums

// What a part of a large crystal has for itself, so that threads can do parts side by side: its
// messages, the rows of the block at hand, and its share of sums that several parts add to. How
// many parts there are depends on the crystal alone, so results do not depend on the threads.
struct Part {
    int bonds[2], others[2];  // directions of edges, from and to: of bonds, of all others
    int turns[2];             // ordered angles, from and to: all of some atoms
    int atoms[2], edges[2];   // what its messages and its angles add to: from and to
    // One block of hidden activations, of pre-activations of the gate and of its outputs; of the
    // edges' share of the first layer, and of what is to be added to rows of others.
    float *hidden, *pre, *output, *edge, *d_hidden, *d_pre, *d_edge, *along, *added;
    Record scratch;
    // Sums over messages: features of atoms and bonds, and gradients.
    float *gathered, *d_centre, *d_neighbour, *d_other, *d_bond_weight;
};

struct Pass {
    const Weights& w;
    const GraphView& g;
    Workspace& work;
    int next_buffer = 0;
    bool keep = false;    // slopes are kept for the way back
    bool angles = false;  // the crystal has angles
    int n_parts = 1;
    Part part[kMostParts];

    // Features by layer. Only short edges' change; long ones enter through their basis.
    // Before their first update angles are their corner's.
    float *atom[kConvolutions + 1], *bond[kConvolutions], *angle[kConvolutions - 1];
    float *radial, *radial_slope, *bond_radial, *bond_radial_slope, *fourier, *fourier_slope;
    float *edge_weight, *bond_weight;
    Record atom_record[kConvolutions], bond_record[kConvolutions - 1];
    Record angle_record[kConvolutions - 2];
    // First-layer products: per centre, per neighbour; per bond, per other bond, per corner.
    // `from_first` holds the product of the first bond until it is joined with its centre's.
    float *from_centre, *from_neighbour, *from_bond, *from_first, *from_other, *from_corner;
    // Gradients; those of the products reuse their memory only on the way back.
    float *d_atom, *d_bond, *d_angle, *d_corner, *d_radial, *d_bond_radial, *d_fourier;
    float *d_edge_weight, *d_bond_weight, *d_gathered;
    float *d_centre, *d_neighbour, *d_from_bond, *d_first, *d_other, *d_from_corner;

    Pass(const Weights& weights, const GraphView& graph, Workspace& workspace)
        : w(weights), g(graph), work(workspace) {
        angles = g.n_angles > 0;
        while (n_parts < kMostParts && g.n_directed >= 2 * n_parts * kLeastPart) n_parts *= 2;
    }

    // The atom at the centre of an angle.
    int centre_of(long t) const { return g.centre[g.angle_bond[t]]; }

    // Call job(part) for all parts, side by side where there are threads for it.
    template <typename Job>
    void in_parts(const Job& job) {
        if (n_parts == 1 || !work.crew.run) {
            for (int p = 0; p < n_parts; ++p) job(part[p]);
            return;
        }
        struct Call {
            const Job& job;
            Part* part;
        } call{job, part};
        work.crew.run(
            work.crew.team, n_parts,
            [](void* context, int p) {
                Call& call = *static_cast<Call*>(context);
                call.job(call.part[p]);
            },
            &call);
    }

    // Call job(begin, count) for all rows, in as many ranges as there are parts. Ranges are whole
    // tiles, so that no product of one reaches into the next.
    template <typename Job>
    void in_rows(long count, const Job& job) {
        const long tiles = (count + kTileRows - 1) / kTileRows;
        const long each = (tiles + n_parts - 1) / n_parts * kTileRows;
        in_parts([&](const Part& one) {
            const long begin = (&one - part) * each;
            if (begin < count) job(begin, begin + each < count ? each : count - begin);
        });
    }

    template <Start start, int lda, int ldc>
    void multiply_rows(long count, const float* a, const Packed& weights, float* c,
                       const float* bias = nullptr) {
        in_rows(count, [&](long begin, long rows) {
            multiply<start, lda, ldc>((int)rows, a + begin * lda, weights, c + begin * ldc, bias);
        });
    }

    // Zeros where a part will add: the first one's share becomes the sum of all.
    void clear_share(const Part& p, float* Part::* share, int width, long count, const int* range) {
        const long begin = &p == part ? 0 : range[0], end = &p == part ? count : range[1];
        set_rows(p.*share + begin * width, 0.0f, (end - begin) * width);
    }

    // Add the shares of the other parts to the first one's, for some rows, in their order.
    void add_shares(float* Part::* share, int width, long begin, long count,
                    const int (Part::*range)[2]) {
        for (int p = 1; p < n_parts; ++p) {
            const int* touched = part[p].*range;
            const long low = touched[0] > begin ? touched[0] : begin;
            const long high = touched[1] < begin + count ? touched[1] : begin + count;
            if (low < high)
                add_row(part[0].*share + low * width, part[p].*share + low * width,
                        (int)((high - low) * width));
        }
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

    void split();
    void find_touched(Part& p);
    void convolve(const Convolution& conv, long rows, const int (Part::*range)[2],
                  const float* from, float* to);
    void allocate_part(Part& p, bool backward);

    void atom_products(int layer);
    // Whether a bond convolution has changed the features of bonds; those of other edges never do.
    bool changed(int layer) const { return angles && layer > 0; }
    // Edges in a block of directions.
    int edges_of(int begin, int count) const {
        return g.edge[begin + count - 1] - g.edge[begin] + 1;
    }
    void edge_term(Part& p, int layer, int begin, int count);
    void edge_term_back(Part& p, int layer, int begin, int count);
    void atom_messages(Part& p, int layer, int begin, int count, const Record& record);
    void atom_forward_block(Part& p, int layer, int begin, int count);
    void atom_backward_block(Part& p, int layer, int begin, int count);
    void atom_forward(int layer);
    void atom_backward(int layer);

    void angle_products(const GatedLayer& gate, int layer, const float* centre_features,
                        const float* bond_features);
    const float* angle_term(Part& p, const GatedLayer& gate, int layer, int begin, int count) const;
    void angle_term_back(Part& p, const GatedLayer& gate, int layer, int begin, int count,
                         const float* d_y);
    void angle_products_back(const GatedLayer& gate, int layer);
    void clear_products(int layer);

    void bond_messages(Part& p, int layer, int begin, int count, const Record& record);
    void bond_forward_block(Part& p, int layer, int begin, int count);
    void bond_backward_block(Part& p, int layer, int begin, int count);
    void bond_forward(int layer);
    void bond_backward(int layer);
    void update_messages(Part& p, int layer, int begin, int count, const Record& record);
    void update_forward_block(Part& p, int layer, int begin, int count);
    void update_backward_block(Part& p, int layer, int begin, int count);
    void update_forward(int layer);
    void update_backward(int layer);
};

inline void Pass::find_touched(Part& p) {
    const auto extend = [](int* range, int row) {
        if (row < range[0]) range[0] = row;
        if (row >= range[1]) range[1] = row + 1;
    };
    p.atoms[0] = g.n_atoms;
    p.edges[0] = g.n_short;
    p.atoms[1] = p.edges[1] = 0;
    const int* directions[] = {p.bonds, p.others};
    for (const int* range : directions)
        for (int d = range[0]; d < range[1]; ++d) {
            extend(p.atoms, g.centre[d]);
            extend(p.atoms, g.neighbour[d]);
        }
    for (int t = p.turns[0]; t < p.turns[1]; ++t) {
        extend(p.edges, g.angle_edge[t]);
        extend(p.edges, g.angle_other[t]);
    }
    int* touched[] = {p.atoms, p.edges};
    for (int* range : touched)
        if (range[0] > range[1]) range[0] = range[1];
}

// Which messages are whose. A part has both directions of its edges, and all angles of its atoms.
inline void Pass::split() {
    const auto whole_edge = [this](long d, int low, int high) {
        while (d > low && d < high && g.edge[d] == g.edge[d - 1]) ++d;
        return (int)d;
    };
    const auto whole_atom = [this](long t) {
        while (t > 0 && t < g.n_angles && centre_of(t) == centre_of(t - 1)) ++t;
        return (int)t;
    };
    const long bonds = g.n_short_directed, others = g.n_directed - bonds, turns = g.n_angles;
    for (int p = 0; p < n_parts; ++p)
        for (int end = 0; end < 2; ++end) {
            const long k = p + end;
            part[p].bonds[end] = whole_edge(bonds * k / n_parts, 0, (int)bonds);
            part[p].others[end] =
                whole_edge(bonds + others * k / n_parts, (int)bonds, g.n_directed);
            part[p].turns[end] = whole_atom(turns * k / n_parts);
        }
    for (int p = 0; p < n_parts; ++p) find_touched(part[p]);
}

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
    from_first = rows(shorts, kGated);
    from_bond = rows(g.n_short_directed, kGated);
    from_other = rows(shorts, kGated);
    from_corner = rows(g.n_corners, kGated);
    split();
    for (int p = 0; p < n_parts; ++p) allocate_part(part[p], backward);
    const long records = (long)g.n_directed * kConvolutions + (long)g.n_angles * 5;
    keep = backward && records <= kMostRecords;
    if (!keep) return;
    for (Record& r : atom_record) r = record(g.n_directed, true);
    for (Record& r : bond_record) r = record(g.n_angles, true);
    for (Record& r : angle_record) r = record(g.n_angles, false);
}

inline void Pass::allocate_part(Part& p, bool backward) {
    const long n = g.n_atoms, shorts = g.n_short;
    // Rows beyond a block pass through the products; zeros keep them quick.
    float* block = zero_rows(kBlock + kSpareRows, 6 * kGated + 2 * kFeatures + 2);
    const auto take = [&](int width) {
        float* taken = block;
        block += (kBlock + kSpareRows) * width;
        return taken;
    };
    p.hidden = take(kGated);
    p.pre = take(kGated);
    p.edge = take(kGated);
    p.d_hidden = take(kGated);
    p.d_pre = take(kGated);
    p.d_edge = take(kGated);
    p.output = take(kFeatures);
    p.added = take(kFeatures);
    p.along = take(2);
    p.scratch = record(kBlock, true);
    p.gathered = rows(n > shorts ? n : shorts, kFeatures);
    if (!backward) return;
    p.d_centre = rows(n, kGated);
    p.d_neighbour = rows(n, kGated);
    p.d_other = rows(shorts, kGated);
    p.d_bond_weight = rows(shorts, kFeatures);
}

inline void Pass::allocate_gradients() {
    const long n = g.n_atoms, edges = g.n_edges, shorts = g.n_short;
    d_atom = zero_rows(n, kFeatures);
    d_bond = zero_rows(shorts, kFeatures);
    d_angle = rows(g.n_angles, kFeatures);
    d_corner = zero_rows(g.n_corners, kFeatures);
    d_radial = rows(edges, kBasis);
    d_bond_radial = zero_rows(shorts, kBasis);
    d_fourier = zero_rows(g.n_corners, kBasis);
    d_edge_weight = rows(edges, kFeatures);
    d_gathered = rows(n > shorts ? n : shorts, kFeatures);
    d_first = rows(shorts, kGated);
    d_from_bond = rows(g.n_short_directed, kGated);
    d_from_corner = rows(g.n_corners, kGated);
    d_centre = part[0].d_centre;
    d_neighbour = part[0].d_neighbour;
    d_other = part[0].d_other;
    d_bond_weight = part[0].d_bond_weight;
    in_parts([&](Part& p) { clear_share(p, &Part::d_bond_weight, kFeatures, shorts, p.edges); });
}

}  // namespace gencsp::GENCSP_ISA
