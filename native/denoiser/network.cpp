#include "network.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "../isa.hpp"
#include "surroundings.hpp"

namespace gencsp::denoiser {

namespace {

// Atoms that pass through the layers together: enough to use the weights well, few enough for their
// features to stay in the processor's own memory.
constexpr int kAtomsTogether = 64;
constexpr int kWidthUnit = 16, kMostRadialFunctions = 32;

std::vector<const Kernels*> available_kernels() {
    std::vector<const Kernels*> found;
#ifdef GENCSP_X86
    if (has_avx512()) found.push_back(&kernels_avx512());
    if (has_avx2()) found.push_back(&kernels_avx2());
#endif
    found.push_back(&kernels_baseline());
    return found;
}

// First crystals of the parts of a batch that are worked on together, and their number behind them.
std::vector<int> parts_of(const Batch& batch) {
    std::vector<int> begins{0};
    for (int b = 1; b < batch.n_crystals; ++b)
        if (batch.first[b + 1] - batch.first[begins.back()] > kAtomsTogether) begins.push_back(b);
    begins.push_back(batch.n_crystals);
    return begins;
}

}  // namespace

std::vector<std::string> available_isas() { return names_of(available_kernels()); }

std::string why_not(const Settings& settings) {
    if (settings.channels < kWidthUnit || settings.channels % kWidthUnit)
        return "channels have to be a multiple of 16";
    if (settings.layers < 1 || settings.layers > kMostLayers) return "between 1 and 8 layers";
    if (settings.n_radial < 2 || settings.n_radial > kMostRadialFunctions)
        return "between 2 and 32 radial functions";
    return "";
}

Network::Network(std::map<std::string, Array> arrays, const Settings& settings,
                 const std::string& isa)
    : arrays_(std::move(arrays)),
      settings_(settings),
      kernels_(choose_kernels(available_kernels(), isa)) {
    const std::string problem = why_not(settings);
    if (!problem.empty()) throw std::invalid_argument(problem);
    packed_ = kernels_->pack(describe());
}

Network::~Network() { kernels_->release(packed_); }

RawDensityLayer Network::density_layer(const std::string& name, bool first) const {
    const int c = settings_.channels, k = settings_.n_radial, width = (first ? 5 : 6) * c;
    RawDensityLayer raw;
    raw.norm = arrays_.norm(name + "norm", c);
    raw.update_norm = arrays_.norm(name + "update.0", width);
    raw.send = arrays_.linear(name + "send", c, c);
    raw.radial = arrays_.linear(name + "radial", 3 * k * c, c);
    for (int l = 0; l < 3; ++l)
        raw.mix[l] = arrays_.linear(name + "mix." + std::to_string(l), c, c, false);
    raw.vector_mix = arrays_.linear(name + "vector_mix", 2 * c, (first ? 2 : 4) * c, false);
    raw.update[0] = arrays_.linear(name + "update.1", 2 * c, width);
    raw.update[1] = arrays_.linear(name + "update.3", 4 * c, 2 * c);
    if (first) return raw;
    raw.vector_send = arrays_.linear(name + "vector_send", c, c, false);
    raw.vector_radial = arrays_.array(name + "vector_radial", {k, c});
    return raw;
}

RawNetwork Network::describe() const {
    const int c = settings_.channels, k = settings_.n_radial;
    RawNetwork raw;
    raw.channels = c;
    raw.layers = settings_.layers;
    raw.n_radial = k;
    raw.waves = settings_.waves;
    raw.reach = settings_.reach;
    raw.joint = settings_.joint;
    raw.element = arrays_.array("element.weight", {kElements, c});
    raw.start = arrays_.linear("start", c, 2 * c);
    for (int l = 0; l < raw.layers; ++l)
        raw.density[l] = density_layer("layers." + std::to_string(l) + ".", l == 0);
    if (!raw.joint) {
        raw.gate[0] = arrays_.linear("readout_gate.0", c, 2 * c);
        raw.gate[1] = arrays_.linear("readout_gate.2", c, c);
        raw.readout = arrays_.linear("readout", 1, c, false);
        return raw;
    }
    for (int l = 0; l < raw.layers; ++l) {
        const std::string wave = "waves." + std::to_string(l) + ".";
        raw.wave[l].norm = arrays_.norm(wave + "norm", c);
        raw.wave[l].send = arrays_.linear(wave + "send", c, c);
        raw.wave[l].filter = arrays_.linear(wave + "filter", 2 * c, k, false);
        raw.wave[l].level = arrays_.linear(wave + "level", 2 * c, c);
        raw.wave[l].update[0] = arrays_.linear(wave + "update.0", c, 3 * c);
        raw.wave[l].update[1] = arrays_.linear(wave + "update.2", 2 * c, c);
        const std::string context = "contexts." + std::to_string(l) + ".";
        raw.context[l].norm = arrays_.norm(context + "update.0", 2 * c);
        raw.context[l].update = arrays_.linear(context + "update.1", c, 2 * c);
        raw.context[l].out = arrays_.linear(context + "out", c, c);
    }
    raw.gate[0] = arrays_.linear("gate.0", c, 2 * c);
    raw.gate[1] = arrays_.linear("gate.2", 3 * c, c);
    raw.displacement = arrays_.linear("displacement", 1, c, false);
    raw.gradient = arrays_.linear("gradient", 1, c, false);
    raw.species[0] = arrays_.linear("species.0", c, 2 * c);
    raw.species[1] = arrays_.linear("species.2", kElements, c);
    raw.shown = arrays_.linear("shown", 2, 2 * c);
    raw.tensor.norm = arrays_.norm("tensor.norm", c);
    raw.tensor.send = arrays_.linear("tensor.send", c, c);
    raw.tensor.radial = arrays_.linear("tensor.radial", k * c, c);
    raw.tensor.gate = arrays_.linear("tensor.gate", 2 * c, c);
    raw.tensor.pool = arrays_.linear("tensor.pool", 2 * c, c);
    return raw;
}

void Network::run(const Batch& batch, const Prediction& out, int workers) const {
    const std::vector<int> begins = parts_of(batch);
    const int parts = static_cast<int>(begins.size()) - 1;
    const long c = settings_.channels;
    const auto part = [&](int p, Scratch& memory) {
        const int begin = begins[p], end = begins[p + 1];
        const long atom = batch.first[begin];
        std::vector<int> first(batch.first + begin, batch.first + end + 1);
        for (int& f : first) f -= static_cast<int>(atom);
        Batch some;
        some.n_crystals = end - begin;
        some.n_atoms = first.back();
        some.first = first.data();
        some.numbers = batch.numbers + atom;
        some.positions = batch.positions + 3 * atom;
        some.cells = batch.cells + 9L * begin;
        some.noise = batch.noise + begin * c;
        Prediction to;
        to.vectors = out.vectors + 3 * atom;
        if (settings_.joint) {
            to.gradient = out.gradient + 3 * atom;
            to.logits = out.logits + kElements * atom;
            to.shown = out.shown + 2 * atom;
            to.tensor = out.tensor + 9L * begin;
            to.pooled = out.pooled + 2 * begin * c;
            to.noise = out.noise + begin * c;
        }
        const Neighbours near = memory.surroundings.find(some, settings_.reach);
        kernels_->run(packed_, some, near, memory.workspace, to);
    };
    const auto work_through = [&](std::atomic<int>& next) {
        std::unique_ptr<Scratch> memory = store_.borrow();
        for (int p = next++; p < parts; p = next++) part(p, *memory);
        store_.give_back(std::move(memory));
    };
    std::atomic<int> next{0};
    if (workers <= 1 || parts <= 1) return work_through(next);
    std::mutex mutex;
    std::exception_ptr failed;
    const auto work = [&] {
        try {
            work_through(next);
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex);
            failed = std::current_exception();
        }
    };
    std::vector<std::thread> threads;
    for (int t = 1; t < std::min(workers, parts); ++t) threads.emplace_back(work);
    work();
    for (std::thread& t : threads) t.join();
    if (failed) std::rethrow_exception(failed);
}

}  // namespace gencsp::denoiser
