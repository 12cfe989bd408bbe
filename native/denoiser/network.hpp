// A denoiser on one instruction set: its weights by name, batches of crystals over threads.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "../named_arrays.hpp"
#include "../scratch_store.hpp"
#include "kernels.hpp"
#include "surroundings.hpp"

namespace gencsp::denoiser {

struct Settings {
    int channels = 0, layers = 0, n_radial = 0, waves = 0;
    double reach = 0.0;
    bool joint = false;
};

// What a thread works in.
struct Scratch {
    Workspace workspace;
    Surroundings surroundings;
};

// Why the kernels cannot run a network of these sizes; empty where they can.
std::string why_not(const Settings& settings);

class Network {
public:
    // Throws std::invalid_argument for weights of another architecture or an unknown instruction
    // set.
    Network(std::map<std::string, Array> arrays, const Settings& settings, const std::string& isa);
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;
    ~Network();

    // On `workers` threads. What is predicted of a crystal depends neither on their number nor on
    // the other crystals.
    void run(const Batch& batch, const Prediction& out, int workers) const;
    const char* isa() const { return kernels_->name; }
    const Settings& settings() const { return settings_; }

private:
    RawNetwork describe() const;
    RawDensityLayer density_layer(const std::string& name, bool first) const;

    NamedArrays arrays_;
    Settings settings_;
    const Kernels* kernels_ = nullptr;
    void* packed_ = nullptr;
    mutable ScratchStore<Scratch> store_;
};

// Instruction sets that this build has and this processor runs, best first.
std::vector<std::string> available_isas();

}  // namespace gencsp::denoiser
