// The arrays of a state dictionary by their names, checked for their shapes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "linear.hpp"

namespace gencsp {

// A float32 array of the state dictionary.
struct Array {
    std::vector<float> data;
    std::vector<long> shape;
};

class NamedArrays {
public:
    explicit NamedArrays(std::map<std::string, Array> arrays) : arrays_(std::move(arrays)) {}

    bool has(const std::string& name) const { return arrays_.count(name) != 0; }
    // Number of values; zero where there is no such array.
    int length(const std::string& name) const;
    // All throw std::invalid_argument where there is no such array, or one of another shape.
    const float* array(const std::string& name, const std::vector<long>& shape) const;
    RawLinear linear(const std::string& name, int out, int in, bool bias = true) const;
    RawNorm norm(const std::string& name, int width) const;

private:
    std::map<std::string, Array> arrays_;
};

}  // namespace gencsp
