# SPDX-License-Identifier: Apache-2.0
"""Prints where the option files are."""

from adjoin.protos import FOLDER

print(FOLDER)
