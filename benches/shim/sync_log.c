/* SPDX-License-Identifier: Apache-2.0
 *
 * Loaded in front of libc: after every fsync or fdatasync that succeeded, appends "device inode length" to the file that
 * ADJOIN_SYNC_LOG names. What lies beyond that length could be lost in a power failure. With ADJOIN_SYNC_LIE set it
 * answers without syncing or logging: a build that does not sync, which the proof must find out.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(int file, off_t length) {
  static int log = -2;
  struct stat about;
  char line[96];
  if (log == -2) {
    const char *path = getenv("ADJOIN_SYNC_LOG");
    log = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
  }
  if (log < 0 || fstat(file, &about) != 0) return;
  int size = snprintf(line, sizeof line, "%llu %llu %lld\n", (unsigned long long)about.st_dev,
                      (unsigned long long)about.st_ino, (long long)length);
  if (write(log, line, (size_t)size) != size) abort(); /* without its log the proof would prove nothing */
}

/* The length that this sync covers at least: what was there before it began. */
static off_t length_of(int file) {
  struct stat about;
  return fstat(file, &about) == 0 ? about.st_size : 0;
}

static int sync_and_note(const char *name, int file) {
  if (getenv("ADJOIN_SYNC_LIE")) return 0;
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  off_t length = length_of(file);
  int result = real(file);
  if (result == 0) note(file, length);
  return result;
}

int fsync(int file) { return sync_and_note("fsync", file); }
int fdatasync(int file) { return sync_and_note("fdatasync", file); }
