/* SPDX-License-Identifier: MIT */
#include "vmm/config.h"

#include <errno.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/cpus.h"

#define GRACE_MAX_S 86400
#define NO_SANDBOX  "--no-sandbox"

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };

/* In the order of enum vm_policy; only a watchdog can be ignored. */
static const char *const policies[] = { "end", "preserve", NULL };
static const char *const watchdog_policies[] = { "end", "preserve", "ignore", NULL };

_Static_assert(LOG_DEBUG == ARRAY_SIZE(log_levels) - 2, "names in the order of the levels");

#define FIELD(name) offsetof(struct vm_config, name)
#define FILE_NAME   .min = 1, .max = VMMCTL_PATH_MAX

/* "key=value,..." of @option, or NULL, along @keys into @to. Cuts @text. */
static bool read_keys(const char *option, const struct option_key *keys, char *text, void *to,
		      char *error)
{
	char why[OPTION_ERROR_MAX];

	if (options_parse(keys, text, to, why))
		return true;
	snprintf(error, OPTION_ERROR_MAX, "%s: %.140s", option, why);
	return false;
}

/* What --cpus is given behind its number. */
struct cpus_text {
	uint32_t cores, threads;
	const char *pin; /* NULL: not given */
};

static const struct option_key cpus_keys[] = {
	{ "cores", OPTION_COUNT, offsetof(struct cpus_text, cores), .min = 1,
	  .max = VMMCTL_CPUS_MAX },
	{ "threads", OPTION_COUNT, offsetof(struct cpus_text, threads), .min = 1,
	  .max = VMMCTL_CPUS_MAX },
	{ "pin", OPTION_TEXT, offsetof(struct cpus_text, pin), .min = 1,
	  .max = 5 * VMMCTL_CPUS_MAX },
	{ 0 },
};

/* Cuts @more. */
static bool read_cpus(struct vm_config *c, char *more, char *error)
{
	struct cpus_text text = { 0 };
	const char *problem;
	char *pin, *item;

	if (!read_keys("--cpus", cpus_keys, more, &text, error))
		return false;
	c->cpus.cores = text.cores;
	c->cpus.threads = text.threads;
	pin = (char *)(uintptr_t)text.pin; /* into @more, which is ours */
	while ((item = strsep(&pin, ":"))) {
		if (!cpus_pin(&c->cpus, item)) {
			snprintf(error, OPTION_ERROR_MAX,
				 "--cpus: pin, processors of the host as 0-3:5: \"%.40s\"", item);
			return false;
		}
	}
	problem = cpus_complete(&c->cpus);
	if (problem)
		snprintf(error, OPTION_ERROR_MAX, "--cpus: %s", problem);
	return !problem;
}

static const struct option_key memory_keys[] = {
	{ "hugepages", OPTION_FLAG, .offset = FIELD(huge_pages) },
	{ "prefault", OPTION_FLAG, .offset = FIELD(prefault) },
	{ 0 },
};

static const struct option_key gdb_keys[] = {
	{ "wait", OPTION_FLAG, .offset = FIELD(gdb_wait) },
	{ 0 },
};

/* What is given once; devices describe theirs themselves. */
static const struct {
	struct option_key key;
	const char *usage, *purpose;
	const char *bare; /* its value when none is given; the next word is none of its */
	/* Optional: ",key=value..." may follow the value; @more is what, or NULL. */
	const struct option_key *more_keys;
	bool (*read_more)(struct vm_config *c, char *more, char *error);
} options[] = {
	{ { "--kernel", OPTION_TEXT, FIELD(kernel), FILE_NAME },
	  "FILE",
	  .purpose = "bzImage (64-bit boot protocol) or PVH ELF kernel" },
	{ { "--initrd", OPTION_TEXT, FIELD(initrd), FILE_NAME },
	  "FILE",
	  .purpose = "initial RAM disk" },
	{ { "--cmdline", OPTION_TEXT, FIELD(cmdline), .max = VMMCTL_CMDLINE_MAX },
	  "TEXT",
	  .purpose = "kernel command line (default: console=ttyS0)" },
	{ { "--memory", OPTION_SIZE, FIELD(memory), .min = VMMCTL_MEMORY_MIN, .max = INT64_MAX },
	  "SIZE[,hugepages=off][,prefault=on]",
	  .purpose = "bytes, or with suffix K, M, G, T (default: 64M);\n"
		     "                    not in pages of 2 MiB, not only when touched",
	  .more_keys = memory_keys },
	{ { "--cpus", OPTION_COUNT, FIELD(cpus.count), .min = 1, .max = VMMCTL_CPUS_MAX },
	  "N[,cores=N][,threads=N][,pin=0-3:5]",
	  .purpose =
		  "virtual processors, 1 to 64 (default: 1); cores of a socket, threads of a core;\n"
		  "                    the host's processors they run on",
	  .read_more = read_cpus },
	{ { "--name", OPTION_TEXT, FIELD(name), .min = 1, .max = VMMCTL_NAME_MAX },
	  "NAME",
	  .purpose = "for messages (default: guest)" },
	{ { "--mshv", OPTION_TEXT, FIELD(mshv), FILE_NAME },
	  "FILE",
	  .purpose = "hypervisor device (default: /dev/mshv)" },
	{ { "--grace", OPTION_COUNT, FIELD(grace_s), .max = GRACE_MAX_S },
	  "SECONDS",
	  .purpose = "from SIGTERM (power button) to the end (default: 10)" },
	{ { "--log", OPTION_WORD, FIELD(log_level), .words = log_levels },
	  "LEVEL",
	  .purpose = "error, warn, info or debug (default: info)" },
	{ { "--on-reset", OPTION_WORD, FIELD(on_reset), .words = policies },
	  "WORD",
	  .purpose = "the guest resets: end, preserve (stand still; SIGTERM ends it)" },
	{ { "--on-crash", OPTION_WORD, FIELD(on_crash), .words = policies },
	  "WORD",
	  .purpose = "it crashes or panics: end, preserve" },
	{ { "--on-watchdog", OPTION_WORD, FIELD(on_watchdog), .words = watchdog_policies },
	  "WORD",
	  .purpose = "its watchdog fires: end, preserve, ignore" },
	{ { "--stats", OPTION_FLAG, .offset = FIELD(stats) },
	  "",
	  .purpose = "count exits and interrupts, print them at the end",
	  .bare = "on" },
	{ { "--trace", OPTION_TEXT, FIELD(trace), FILE_NAME },
	  "[=FILE]",
	  .purpose = "write a line for each exit (default: to standard error)",
	  .bare = "-" },
	{ { "--gdb", OPTION_TEXT, FIELD(gdb), FILE_NAME },
	  "PATH|tcp:PORT|fd:N[,wait=on]",
	  .purpose = "where gdb connects: a socket, a port of loopback, an inherited\n"
		     "                    connection; the guest waits for its \"continue\"",
	  .more_keys = gdb_keys },
};

void config_usage(FILE *to, const struct device_kind *const *kinds)
{
	fputs("usage: vmm --kernel FILE [option]...\n"
	      "Run one guest on the Microsoft hypervisor interface (/dev/mshv).\n"
	      "\n",
	      to);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		fprintf(to, "  %-9s %-7s %s\n", options[i].key.name, options[i].usage,
			options[i].purpose);
	fputs("  " NO_SANDBOX "      keep the rights it was started with, for debugging\n"
	      "  --help            this text\n"
	      "\n"
	      "Devices:\n",
	      to);
	for (size_t i = 0; kinds[i]; i++)
		fprintf(to, "  %s %s\n                    %s; up to %u\n", kinds[i]->option,
			kinds[i]->usage, kinds[i]->purpose, kinds[i]->max);
	fputs("\n"
	      "The guest's serial port is standard input and output; on a terminal,\n"
	      "Ctrl-A x ends the guest and Ctrl-A Ctrl-A sends a Ctrl-A.\n"
	      "Exit code: 0 powered off, 1 internal error, 2 wrong options,\n"
	      "3 unusable configuration, 4 host cannot run it, 10 reset requested,\n"
	      "11 crashed, 12 killed, 13 watchdog.\n",
	      to);
}

/* Can it stand in a message? */
static bool is_one_line(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

/* Is @name the first @length bytes of @arg? Whole names only. */
static bool is_option(const char *name, const char *arg, size_t length)
{
	return strlen(name) == length && memcmp(name, arg, length) == 0;
}

/* What a type cannot say. @value was read just now. */
static bool check(const struct vm_config *c, const char *value, char *error)
{
	if (c->memory % VMMCTL_MEMORY_STEP) {
		snprintf(error, OPTION_ERROR_MAX, "--memory, in whole pages: \"%.40s\"", value);
		return false;
	}
	if (!conf_is_name(c->name, VMMCTL_NAME_MAX)) {
		snprintf(error, OPTION_ERROR_MAX, "--name, 1 to %d of a-z, 0-9 and -: \"%.40s\"",
			 VMMCTL_NAME_MAX, value);
		return false;
	}
	return true;
}

static bool add_device(struct vm_config *c, const struct device_kind *kind, char *text, char *error)
{
	struct device_config *d = &c->device[c->device_count];
	unsigned int count = 0;

	for (unsigned int i = 0; i < c->device_count; i++)
		count += c->device[i].kind == kind;
	if (count == kind->max || c->device_count == DEVICES_MAX) {
		snprintf(error, OPTION_ERROR_MAX, "%s: at most %u", kind->option,
			 count == kind->max ? kind->max : DEVICES_MAX);
		return false;
	}
	*d = (struct device_config){ .kind = kind };
	CHECK(kind->config_bytes <= sizeof(d->bytes));
	if (!read_keys(kind->option, kind->keys, text, d->bytes, error))
		return false;
	c->device_count++;
	return true;
}

/* A device that can do without keys takes them only after "=". */
static bool wants_value(const struct device_kind *kind)
{
	for (const struct option_key *k = kind->keys; k->name; k++) {
		if (k->required)
			return true;
	}
	return false;
}

struct reader {
	struct vm_config *config;
	const struct device_kind *const *kinds;
	char **argv; /* the next word */
	uint64_t given;
	char error[OPTION_ERROR_MAX];
};

/* What stands behind "=", or in the next word; NULL: neither. */
static char *take_value(struct reader *r, char *behind)
{
	if (*behind)
		return behind + 1;
	if (!*r->argv)
		return NULL;
	return *r->argv++;
}

static bool fail(struct reader *r, const char *what, const char *arg)
{
	snprintf(r->error, sizeof(r->error), "%s: \"%.80s\"", what, arg);
	return false;
}

static bool read_option(struct reader *r, unsigned int i, char *behind)
{
	const struct option_key *key = &options[i].key;
	char *value, *more;

	if (r->given & BIT64(i))
		return fail(r, "given twice", key->name);
	r->given |= BIT64(i);
	if (options[i].bare && !*behind)
		return option_read(key, options[i].bare, r->config, r->error);
	value = take_value(r, behind);
	if (!value)
		return fail(r, "value is missing", key->name);
	more = value;
	if (options[i].more_keys || options[i].read_more)
		strsep(&more, ",");
	if (!option_read(key, value, r->config, r->error) || !check(r->config, value, r->error))
		return false;
	if (options[i].more_keys)
		return read_keys(key->name, options[i].more_keys, more, r->config, r->error);
	return !options[i].read_more || options[i].read_more(r->config, more, r->error);
}

/* One "--option value", "--option=value" or, of a device, "--option". */
static bool read_word(struct reader *r, char *arg)
{
	size_t length = strcspn(arg, "=");

	for (unsigned int i = 0; i < ARRAY_SIZE(options); i++) {
		if (is_option(options[i].key.name, arg, length))
			return read_option(r, i, arg + length);
	}
	for (size_t i = 0; r->kinds[i]; i++) {
		const struct device_kind *kind = r->kinds[i];
		char *value = arg[length] ? arg + length + 1 : NULL;

		if (!is_option(kind->option, arg, length))
			continue;
		if (!value && wants_value(kind) && !(value = take_value(r, arg + length)))
			return fail(r, "value is missing", kind->option);
		return add_device(r->config, kind, value, r->error);
	}
	if (is_option("--help", arg, length) || is_option(NO_SANDBOX, arg, length))
		return fail(r, "takes no value", arg);
	return fail(r, strncmp(arg, "--", 2) ? "not an option" : "unknown", arg);
}

/* How it is meant, then what is wrong. */
static enum config_result wrong(const struct device_kind *const *kinds, const char *what)
{
	config_usage(stderr, kinds);
	log_error("wrong option (%s)", what);
	return CONFIG_WRONG;
}

enum config_result config_parse(struct vm_config *c, const struct device_kind *const *kinds,
				int argc, char **argv)
{
	struct reader r = { .config = c, .kinds = kinds, .argv = argv + 1 };

	*c = (struct vm_config){
		.name = "guest",
		.cmdline = "console=ttyS0",
		.mshv = "/dev/mshv",
		.memory = UINT64_C(64) << 20,
		.huge_pages = true,
		.cpus = { .count = 1, .cores = 1, .threads = 1 },
		.grace_s = VMMCTL_GRACE_S,
		.log_level = LOG_INFO,
		.sandbox = true,
	};
	for (int i = 1; i < argc; i++) {
		if (!is_one_line(argv[i])) {
			snprintf(r.error, sizeof(r.error), "control character in argument %d", i);
			return wrong(kinds, r.error);
		}
	}
	while (*r.argv) {
		char *arg = *r.argv++;

		if (strcmp(arg, "--help") == 0)
			return CONFIG_HELP;
		if (strcmp(arg, NO_SANDBOX) == 0)
			c->sandbox = false;
		else if (!read_word(&r, arg))
			return wrong(kinds, r.error);
	}
	if (!c->kernel)
		return wrong(kinds, "--kernel is missing");
	return CONFIG_RUN;
}

bool config_has(const struct vm_config *c, const struct device_kind *kind)
{
	for (unsigned int i = 0; i < c->device_count; i++) {
		if (c->device[i].kind == kind)
			return true;
	}
	return false;
}

bool config_is_at_fault(int error)
{
	switch (error) {
	case -EFAULT:
	case -EINVAL:
	case -ENOENT:
	case -ENOTDIR:
	case -EACCES:
	case -EPERM:
	case -EISDIR:
	case -ELOOP:
	case -ENAMETOOLONG:
	case -ENOEXEC:
	case -EFBIG:
	case -E2BIG:
	case -EROFS:
		return true;
	default:
		return false;
	}
}
