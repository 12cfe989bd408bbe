#define GENCSP_ISA avx512
#define GENCSP_LANES 16
#define GENCSP_PANEL_VECTORS 4
#include "kernels.inc"

namespace gencsp {
const Kernels& kernels_avx512() { return avx512::kTable; }
}  // namespace gencsp
