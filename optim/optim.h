#pragma once

#include <unroll/optim/adam.h>
#include <unroll/optim/adamw.h>
#include <unroll/optim/clip.h>
#include <unroll/optim/optimizer.h>
#include <unroll/optim/schedule.h>
#include <unroll/optim/sgd.h>
