// Atoms and cell as one vector of generalised coordinates, as in ASE's FrechetCellFilter.
#pragma once

#include <vector>

#include "model.hpp"

namespace gencsp {

// A space-group operation: Cartesian rotation in the start cell, and where each atom goes.
struct SymmetryOperation {
    Matrix3 rotation;
    std::vector<int> image;
};

// What is relaxed, and what is held.
struct Task {
    long index = 0;
    std::vector<int> numbers;
    std::vector<double> positions;  // Å, [n][3]
    Matrix3 cell;
    bool periodic[3] = {true, true, true};
    std::vector<char> fixed;  // per atom; empty for none
    std::vector<SymmetryOperation> symmetry;
    bool merge = false;     // compute equivalent atoms once: it stays as symmetric as it is
    double pressure = 0.0;  // eV/Å^3
    bool fixed_cell = false;
};

// Coordinates: positions without the deformation of the cell, [n][3], then n times the logarithm of
// the deformation, [3][3]. The generalised forces are minus the gradient of the enthalpy.
class FrechetProblem {
public:
    FrechetProblem(const Model& model, const Task& task, Scratch& scratch);

    int size() const { return static_cast<int>(start_.size()); }
    int n_atoms() const { return n_; }
    const std::vector<double>& start() const { return start_; }

    // Enthalpy and generalised forces at `x`.
    Status evaluate(const std::vector<double>& x, double& enthalpy, std::vector<double>& force);

    // State of the last evaluation.
    const Evaluated& evaluated() const { return evaluated_; }
    const std::vector<double>& positions() const { return positions_; }
    const Matrix3& cell() const { return cell_; }
    double volume() const { return volume_; }

private:
    void project_forces(std::vector<double>& force, Matrix3& virial) const;

    const Model& model_;
    const Task& task_;
    Scratch& scratch_;
    int n_;
    std::vector<double> start_, positions_;
    Matrix3 cell_;
    double volume_ = 0.0;
    Evaluated evaluated_;
};

// Matrix exponential, and the gradient with respect to `log` of sum(weight * exp(log)).
Matrix3 exponential(const Matrix3& log);
Matrix3 exponential_gradient(const Matrix3& log, const Matrix3& weight);

}  // namespace gencsp
