#define GENCSP_ISA denoiser_baseline
#define GENCSP_NAME "baseline"
#define GENCSP_LANES 4
#include "kernels.inc"

namespace gencsp::denoiser {
const Kernels& kernels_baseline() { return denoiser_baseline::kTable; }
}  // namespace gencsp::denoiser
