// Linear maps and normalisations in PyTorch's layout, pointing at arrays that someone else keeps.
#pragma once

namespace gencsp {

// weight[out][in]; no bias where null.
struct RawLinear {
    const float* weight = nullptr;
    const float* bias = nullptr;
    int out = 0, in = 0;
};

// Gain and shift of a layer normalisation; none where null.
struct RawNorm {
    const float* gain = nullptr;
    const float* shift = nullptr;
};

}  // namespace gencsp
