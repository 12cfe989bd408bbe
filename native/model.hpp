// A CHGNet model on one instruction set: energy, forces, stress and moments of single crystals.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "classes.hpp"
#include "kernels.hpp"
#include "linalg3.hpp"
#include "named_arrays.hpp"

namespace gencsp {

enum class Status { kOk, kBadInput, kIsolated, kNotFinite };

struct Evaluated {
    Status status = Status::kBadInput;
    double energy = 0.0;                // eV
    std::vector<double> site_energies;  // eV
    std::vector<double> forces;         // eV/Å, [n][3]
    Matrix3 virial{};                   // dE/dstrain, eV
    double closest = 0.0;               // shortest distance between nuclei, Å
    std::vector<double> magmoms;        // Bohr magnetons; empty unless asked for
};

struct Request {
    bool forces = true;
    bool magmoms = false;
    // Compute equivalent atoms, edges and angles once. The forces of a symmetric crystal are then
    // as symmetric as it is; they have no noise that could lead away from a saddle point.
    bool merge = false;
};

// One thread's memory.
struct Scratch {
    Graph graph;
    Classes classes;
    Workspace workspace;
    std::vector<double> site_energy, magmom, d_distance, d_angle;  // of classes
    std::vector<double> of_edges, of_corners;                      // the same for their members
};

struct ModelSettings {
    double atom_cutoff = 6.0, bond_cutoff = 3.0;
    int envelope_power = 8;
};

class Model {
public:
    // `arrays`: the state dictionary of chgnet's CHGNet module. `isa`: "" for the best one here.
    // Throws std::invalid_argument for another architecture or an unknown instruction set.
    Model(std::map<std::string, Array> arrays, const ModelSettings& settings,
          const std::string& isa);
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;
    ~Model();

    void evaluate(const Crystal& crystal, const Request& request, Scratch& scratch,
                  Evaluated& result) const;
    const char* isa() const { return kernels_->name; }

private:
    RawModel describe() const;
    RawNorm norm(const std::string& name) const;
    RawGated gated(const std::string& name, int inputs, bool deep) const;

    NamedArrays arrays_;
    ModelSettings settings_;
    GraphLimits limits_;
    const Kernels* kernels_ = nullptr;
    void* packed_ = nullptr;
};

// Instruction sets that this build has and this processor runs, best first.
std::vector<std::string> available_isas();

}  // namespace gencsp
