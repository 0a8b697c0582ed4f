#pragma once

// Everything a user needs: tensors, operations and their derivatives; modules and recurrent layers;
// optimisers.
#include <unroll/autograd/autograd.h>
#include <unroll/nn/nn.h>
#include <unroll/optim/optim.h>
