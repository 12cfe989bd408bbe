#define GENCSP_ISA avx2
#define GENCSP_LANES 8
#define GENCSP_PANEL_VECTORS 2
#include "kernels.inc"

namespace gencsp {
const Kernels& kernels_avx2() { return avx2::kTable; }
}  // namespace gencsp
