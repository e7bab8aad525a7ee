/* SPDX-License-Identifier: MIT */
#include "cad/look.h"

const struct look_material look_materials[MATERIAL_COUNT] = {
    [MATERIAL_ALUMINIUM] = {{0.30f, 0.33f, 0.38f}, 0.25f, 0.2f, {0}},
    [MATERIAL_PAINT] = {{0.045f, 0.075f, 0.11f}, 0.2f, 0.5f, {0}},
    [MATERIAL_STEEL] = {{0.40f, 0.41f, 0.43f}, 0.8f, 0.7f, {0}},
    [MATERIAL_BRASS] = {{0.55f, 0.36f, 0.08f}, 0.6f, 0.5f, {0}},
    [MATERIAL_BRONZE] = {{0.38f, 0.16f, 0.06f}, 0.5f, 0.4f, {0}},
    [MATERIAL_BLUE] = {{0.03f, 0.14f, 0.42f}, 0.45f, 0.6f, {0}},
    [MATERIAL_RED] = {{0.42f, 0.03f, 0.03f}, 0.45f, 0.6f, {0}},
    [MATERIAL_BLACK] = {{0.03f, 0.03f, 0.035f}, 0.4f, 0.4f, {0}},
};

/* Key, fill and a weak one from below. */
const struct look_light look_lights[LOOK_LIGHTS] = {
    {{-0.48f, 0.64f, 0.6f}, 0.95f},
    {{0.6f, 0.0f, 0.8f}, 0.30f},
    {{0.0f, -0.8f, 0.6f}, 0.12f},
};
