// The Python face: plain arrays in, plain arrays out. gencsp/diffusion/networks/native.py makes it
// pleasant.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <stdexcept>

#include "../python_arrays.hpp"
#include "network.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace gencsp::denoiser {
namespace {

nb::dict predict(const Network& network, Input<int, 1> numbers, Input<double, 2> positions,
                 Input<double, 3> cells, Input<int, 1> first, Input<float, 2> noise, int workers) {
    const std::size_t n = numbers.shape(0), b = cells.shape(0);
    const std::size_t c = static_cast<std::size_t>(network.settings().channels);
    require(positions.shape(0) == n && positions.shape(1) == 3, "positions: (atoms, 3)");
    require(cells.shape(1) == 3 && cells.shape(2) == 3, "cells: (crystals, 3, 3)");
    require(noise.shape(0) == b && noise.shape(1) == c, "noise: (crystals, channels)");
    require(first.shape(0) == b + 1, "first: (crystals + 1,)");
    require(first.data()[0] == 0 && first.data()[b] == static_cast<int>(n), "first: 0 to atoms");
    for (std::size_t i = 0; i < b; ++i)
        require(first.data()[i] < first.data()[i + 1], "first: every crystal has atoms");
    for (std::size_t i = 0; i < n; ++i)
        require(numbers.data()[i] >= 0 && numbers.data()[i] < kElements, "numbers: 0 to 94");

    const bool joint = network.settings().joint;
    std::vector<float> vectors(3 * n), gradient(joint ? 3 * n : 0),
        logits(joint ? n * kElements : 0);
    std::vector<float> shown(joint ? 2 * n : 0), tensor(joint ? 9 * b : 0);
    std::vector<float> pooled(joint ? 2 * b * c : 0), last(joint ? b * c : 0);
    {
        nb::gil_scoped_release release;
        const Batch batch{static_cast<int>(b), static_cast<int>(n), first.data(), numbers.data(),
                          positions.data(),    cells.data(),        noise.data()};
        network.run(batch,
                    Prediction{vectors.data(), gradient.data(), logits.data(), shown.data(),
                               tensor.data(), pooled.data(), last.data()},
                    workers);
    }
    nb::dict out;
    out["vectors"] = to_numpy(std::move(vectors), {n, 3});
    if (!joint) return out;
    out["gradient"] = to_numpy(std::move(gradient), {n, 3});
    out["logits"] = to_numpy(std::move(logits), {n, static_cast<std::size_t>(kElements)});
    out["shown"] = to_numpy(std::move(shown), {n, 2});
    out["tensor"] = to_numpy(std::move(tensor), {b, 3, 3});
    out["pooled"] = to_numpy(std::move(pooled), {b, 2 * c});
    out["noise"] = to_numpy(std::move(last), {b, c});
    return out;
}

}  // namespace
}  // namespace gencsp::denoiser

NB_MODULE(_denoiser, m) {
    // Networks stay loaded until the process ends, which is no fault to report to a user.
    nb::set_leak_warnings(false);
    using namespace gencsp::denoiser;
    m.doc() = "Denoisers of crystals on the processor.";
    m.def("available_isas", &available_isas, "Instruction sets that run here, best first.");
    m.def(
        "why_not",
        [](int channels, int layers, int n_radial) {
            return why_not(Settings{channels, layers, n_radial});
        },
        nb::kw_only(), "channels"_a, "layers"_a, "n_radial"_a,
        "Why a network of these sizes cannot run here; empty where it can.");
    nb::class_<Network>(m, "Network")
        .def(
            "__init__",
            [](Network* self, const nb::dict& weights, bool joint, int channels, int layers,
               int n_radial, int waves, double reach, const std::string& isa) {
                new (self) Network(gencsp::read_arrays(weights),
                                   Settings{channels, layers, n_radial, waves, reach, joint}, isa);
            },
            "weights"_a, nb::kw_only(), "joint"_a, "channels"_a, "layers"_a, "n_radial"_a,
            "waves"_a, "reach"_a, "isa"_a = "")
        .def_prop_ro("isa", [](const Network& self) { return self.isa(); })
        .def("predict", &predict, "numbers"_a, "positions"_a, "cells"_a, "first"_a, "noise"_a,
             nb::kw_only(), "workers"_a = 1);
}
