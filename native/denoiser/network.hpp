// A denoiser on one instruction set: its weights by name, batches of crystals over threads.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels.hpp"
#include "surroundings.hpp"

namespace gencsp::denoiser {

// A float32 array of the state dictionary.
struct Array {
    std::vector<float> data;
    std::vector<long> shape;
};

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

// Memory that calls borrow and give back, so that those one after the other find it warm.
class ScratchStore {
public:
    std::unique_ptr<Scratch> borrow();
    void give_back(std::unique_ptr<Scratch> scratch);

private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Scratch>> idle_;
};

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
    RawLinear linear(const std::string& name, int out, int in, bool bias = true) const;
    RawNorm norm(const std::string& name, int width) const;
    const float* array(const std::string& name, const std::vector<long>& shape) const;

    std::map<std::string, Array> arrays_;
    Settings settings_;
    const Kernels* kernels_ = nullptr;
    void* packed_ = nullptr;
    mutable ScratchStore store_;
};

// Instruction sets that this build has and this processor runs, best first.
std::vector<std::string> available_isas();

}  // namespace gencsp::denoiser
