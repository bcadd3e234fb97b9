/* SPDX-License-Identifier: MIT */
/* For a guest's /init whose kernel has its drivers as modules. */
#ifndef TESTS_ROOT_LIB_MODULE_H
#define TESTS_ROOT_LIB_MODULE_H

/* Loads the module in the file @path, without parameters. 0, or -1 with errno. */
int module_load(const char *path);

#endif
