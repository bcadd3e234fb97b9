#!/bin/sh
# SPDX-License-Identifier: MIT
# The tree's own rules (layers, licences, lengths).
exec tools/check-tree.sh
