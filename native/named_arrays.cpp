#include "named_arrays.hpp"

#include <stdexcept>

namespace gencsp {

int NamedArrays::length(const std::string& name) const {
    const auto found = arrays_.find(name);
    return found == arrays_.end() ? 0 : static_cast<int>(found->second.data.size());
}

const float* NamedArrays::array(const std::string& name, const std::vector<long>& shape) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) throw std::invalid_argument("no weights named " + name);
    if (found->second.shape != shape) throw std::invalid_argument("another shape: " + name);
    return found->second.data.data();
}

RawLinear NamedArrays::linear(const std::string& name, int out, int in, bool bias) const {
    return {array(name + ".weight", {out, in}), bias ? array(name + ".bias", {out}) : nullptr, out,
            in};
}

RawNorm NamedArrays::norm(const std::string& name, int width) const {
    return {array(name + ".weight", {width}), array(name + ".bias", {width})};
}

}  // namespace gencsp
