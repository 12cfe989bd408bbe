#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "isa.hpp"

namespace gencsp {

namespace {

std::vector<const Kernels*> available_kernels() {
    std::vector<const Kernels*> found;
#ifdef GENCSP_X86
    if (has_avx512()) found.push_back(&kernels_avx512());
    if (has_avx2()) found.push_back(&kernels_avx2());
#endif
    found.push_back(&kernels_baseline());
    return found;
}

bool all_finite(const std::vector<double>& values) {
    for (double x : values)
        if (!std::isfinite(x)) return false;
    return true;
}

}  // namespace

std::vector<std::string> available_isas() { return names_of(available_kernels()); }

Model::Model(std::map<std::string, Array> arrays, const ModelSettings& settings,
             const std::string& isa)
    : arrays_(std::move(arrays)),
      settings_(settings),
      kernels_(choose_kernels(available_kernels(), isa)) {
    packed_ = kernels_->pack(describe());
}

Model::~Model() { kernels_->release(packed_); }

RawNorm Model::norm(const std::string& name) const {
    return arrays_.has(name + ".weight") ? arrays_.norm(name, kFeatures) : RawNorm{};
}

RawGated Model::gated(const std::string& name, int inputs, bool deep) const {
    RawGated raw;
    const std::string first = deep ? ".layers.0" : ".layers.1";
    raw.core[0] = arrays_.linear(name + ".mlp_core" + first, kFeatures, inputs);
    raw.gate[0] = arrays_.linear(name + ".mlp_gate" + first, kFeatures, inputs);
    if (deep) {
        raw.core[1] = arrays_.linear(name + ".mlp_core.layers.3", kFeatures, kFeatures);
        raw.gate[1] = arrays_.linear(name + ".mlp_gate.layers.3", kFeatures, kFeatures);
    }
    raw.core_norm = norm(name + ".bn1");
    raw.gate_norm = norm(name + ".bn2");
    return raw;
}

RawModel Model::describe() const {
    RawModel raw;
    const std::string radial = "bond_basis_expansion.rbf_expansion_";
    const std::string fourier = "angle_basis_expansion.fourier_expansion.frequencies";
    raw.n_radial = arrays_.length(radial + "ag.frequencies");
    raw.n_fourier = arrays_.length(fourier);
    if (raw.n_radial < 1 || raw.n_radial > 32 || raw.n_fourier < 1 || raw.n_fourier > 15)
        throw std::invalid_argument("another number of basis functions than CHGNet's");
    raw.atom_cutoff = settings_.atom_cutoff;
    raw.bond_cutoff = settings_.bond_cutoff;
    raw.envelope_power = settings_.envelope_power;
    raw.atom_embedding = arrays_.array("atom_embedding.embedding.weight", {kElements, kFeatures});
    raw.reference_energy = arrays_.array("composition_model.fc.weight", {1, kElements});
    raw.atom_frequencies = arrays_.array(radial + "ag.frequencies", {raw.n_radial});
    raw.bond_frequencies = arrays_.array(radial + "bg.frequencies", {raw.n_radial});
    raw.angle_frequencies = arrays_.array(fourier, {raw.n_fourier});
    raw.bond_embedding = arrays_.linear("bond_embedding", kFeatures, raw.n_radial, false);
    raw.bond_weights_atom = arrays_.linear("bond_weights_ag", kFeatures, raw.n_radial, false);
    raw.bond_weights_bond = arrays_.linear("bond_weights_bg", kFeatures, raw.n_radial, false);
    raw.angle_embedding =
        arrays_.linear("angle_embedding", kFeatures, 2 * raw.n_fourier + 1, false);
    for (int l = 0; l < kConvolutions; ++l) {
        const std::string conv = "atom_conv_layers." + std::to_string(l);
        const std::string out = conv + ".mlp_out.layers.1";
        raw.atom_conv[l] = gated(conv + ".twoBody_atom", 3 * kFeatures, true);
        raw.atom_out[l] = arrays_.linear(out, kFeatures, kFeatures, arrays_.has(out + ".bias"));
    }
    for (int l = 0; l < kConvolutions - 1; ++l) {
        const std::string conv = "bond_conv_layers." + std::to_string(l);
        const std::string out = conv + ".mlp_out.layers.1";
        raw.bond_conv[l] = gated(conv + ".twoBody_bond", 4 * kFeatures, true);
        raw.bond_out[l] = arrays_.linear(out, kFeatures, kFeatures, arrays_.has(out + ".bias"));
        const std::string update = "angle_layers." + std::to_string(l) + ".twoBody_bond";
        raw.angle_update[l] = gated(update, 4 * kFeatures, false);
    }
    raw.site_wise = arrays_.linear("site_wise", 1, kFeatures);
    raw.readout_norm = norm("readout_norm");
    // Hidden layers at 0, 2, ...; behind them an activation, a dropout and the last linear layer.
    while (raw.n_readout < kReadoutLayers &&
           arrays_.has("mlp.layers." + std::to_string(2 * raw.n_readout) + ".weight")) {
        const std::string name = "mlp.layers." + std::to_string(2 * raw.n_readout);
        raw.readout[raw.n_readout++] = arrays_.linear(name, kFeatures, kFeatures);
    }
    const std::string last = "mlp.layers." + std::to_string(2 * raw.n_readout + 1);
    raw.readout[raw.n_readout] = arrays_.linear(last, 1, kFeatures);
    return raw;
}

void Model::evaluate(const Crystal& crystal, const Request& request, Scratch& scratch,
                     Evaluated& result) const {
    const int n = crystal.n_atoms;
    for (int i = 0; i < n; ++i)
        if (crystal.numbers[i] < 1 || crystal.numbers[i] > kElements) {
            result.status = Status::kBadInput;
            return;
        }
    const GraphStatus status =
        scratch.graph.build(crystal, settings_.atom_cutoff, settings_.bond_cutoff, limits_);
    if (status != GraphStatus::kOk) {
        result.status = status == GraphStatus::kIsolated ? Status::kIsolated : Status::kBadInput;
        return;
    }
    scratch.classes.find(scratch.graph, request.merge);
    const GraphView& view = scratch.classes.view();
    result.closest = scratch.graph.closest();
    scratch.site_energy.resize(view.n_atoms);
    scratch.magmom.resize(request.magmoms ? view.n_atoms : 0);
    NetworkOutput out;
    out.site_energy = scratch.site_energy.data();
    if (request.magmoms) out.magmom = scratch.magmom.data();
    if (request.forces) {
        scratch.d_distance.resize(view.n_edges);
        scratch.d_angle.resize(view.n_corners);
        out.d_distance = scratch.d_distance.data();
        out.d_angle = scratch.d_angle.data();
    }
    kernels_->run(packed_, view, scratch.workspace, out);
    result.site_energies.resize(n);
    result.magmoms.resize(request.magmoms ? n : 0);
    result.energy = 0.0;
    for (int i = 0; i < n; ++i) {
        const int a = scratch.classes.of_atom(i);
        result.site_energies[i] = scratch.site_energy[a];
        result.energy += scratch.site_energy[a];
        if (request.magmoms) result.magmoms[i] = scratch.magmom[a];
    }
    result.forces.assign(3 * static_cast<std::size_t>(n), 0.0);
    if (request.forces) {
        scratch.classes.share_out(scratch.d_distance, scratch.d_angle, scratch.of_edges,
                                  scratch.of_corners);
        scratch.graph.pull_back(scratch.of_edges.data(), scratch.of_corners.data(),
                                result.forces.data(), result.virial.data());
    }
    const bool finite = std::isfinite(result.energy) && all_finite(result.forces);
    result.status = finite ? Status::kOk : Status::kNotFinite;
}

}  // namespace gencsp
