#pragma once

#include <unroll/nn/cell.h>
#include <unroll/nn/dropout.h>
#include <unroll/nn/embedding.h>
#include <unroll/nn/generate.h>
#include <unroll/nn/gru.h>
#include <unroll/nn/init.h>
#include <unroll/nn/linear.h>
#include <unroll/nn/lstm.h>
#include <unroll/nn/module.h>
#include <unroll/nn/recurrent.h>
#include <unroll/nn/rnn.h>
#include <unroll/nn/safetensors.h>
#include <unroll/nn/sample.h>
#include <unroll/nn/save.h>
#include <unroll/nn/scope.h>
#include <unroll/nn/text.h>
