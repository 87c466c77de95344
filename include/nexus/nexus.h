// All of the public API.
#pragma once

#include "nexus/config.h"
#include "nexus/error.h"
#include "nexus/execution.h"
#include "nexus/extension.h"
#include "nexus/extensions.h"
#include "nexus/observer.h"
#include "nexus/result.h"
#include "nexus/runtime.h"
#include "nexus/state.h"
#include "nexus/version.h"
