// Arrays between Python and C++, for the bindings.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "named_arrays.hpp"

namespace gencsp {

template <typename T, int dims>
using Input =
    nanobind::ndarray<const T, nanobind::ndim<dims>, nanobind::c_contig, nanobind::device::cpu>;

// An array that owns its values.
template <typename T>
nanobind::ndarray<nanobind::numpy, T> to_numpy(std::vector<T> values,
                                               std::initializer_list<std::size_t> shape) {
    auto* kept = new std::vector<T>(std::move(values));
    nanobind::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return nanobind::ndarray<nanobind::numpy, T>(kept->data(), shape, owner);
}

inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

// A state dictionary of float32 arrays.
inline std::map<std::string, Array> read_arrays(const nanobind::dict& weights) {
    std::map<std::string, Array> arrays;
    for (auto item : weights) {
        const auto values = nanobind::cast<
            nanobind::ndarray<const float, nanobind::c_contig, nanobind::device::cpu>>(item.second);
        Array array;
        array.data.assign(values.data(), values.data() + values.size());
        for (std::size_t d = 0; d < values.ndim(); ++d)
            array.shape.push_back(static_cast<long>(values.shape(d)));
        arrays[nanobind::cast<std::string>(item.first)] = std::move(array);
    }
    return arrays;
}

}  // namespace gencsp
