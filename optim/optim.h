#pragma once

#include <unroll/optim/adadelta.h>
#include <unroll/optim/adagrad.h>
#include <unroll/optim/adam.h>
#include <unroll/optim/adamax.h>
#include <unroll/optim/adamw.h>
#include <unroll/optim/clip.h>
#include <unroll/optim/lion.h>
#include <unroll/optim/nadam.h>
#include <unroll/optim/optimizer.h>
#include <unroll/optim/radam.h>
#include <unroll/optim/rmsprop.h>
#include <unroll/optim/schedule.h>
#include <unroll/optim/sgd.h>
#include <unroll/optim/state.h>
