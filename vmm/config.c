/* SPDX-License-Identifier: MIT */
#include "vmm/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/conf.h"

enum option {
	OPT_KERNEL,
	OPT_INITRD,
	OPT_CMDLINE,
	OPT_MEMORY,
	OPT_CPUS,
	OPT_DISK,
	OPT_NAME,
	OPT_MSHV,
	OPT_GRACE,
	OPT_LOG,
	OPT_HELP,
	OPT_UNKNOWN,
};

static const char *const option_names[OPT_UNKNOWN] = {
	[OPT_KERNEL] = "--kernel", [OPT_INITRD] = "--initrd", [OPT_CMDLINE] = "--cmdline",
	[OPT_MEMORY] = "--memory", [OPT_CPUS] = "--cpus",     [OPT_DISK] = "--disk",
	[OPT_NAME] = "--name",	   [OPT_MSHV] = "--mshv",     [OPT_GRACE] = "--grace",
	[OPT_LOG] = "--log",	   [OPT_HELP] = "--help",
};

#define GRACE_MAX_S 86400

void config_usage(FILE *to)
{
	fputs("usage: vmm --kernel FILE [option]...\n"
	      "Run one guest on the Microsoft hypervisor interface (/dev/mshv).\n"
	      "\n"
	      "  --kernel FILE    bzImage (64-bit boot protocol) or PVH ELF kernel\n"
	      "  --initrd FILE    initial RAM disk\n"
	      "  --cmdline TEXT   kernel command line (default: console=ttyS0)\n"
	      "  --memory SIZE    bytes, or with suffix K, M, G, T (default: 64M)\n"
	      "  --cpus N         virtual processors, 1 to 64 (default: 1)\n"
	      "  --disk path=FILE[,readonly=on][,serial=TEXT]\n"
	      "                   raw disk image or block device; up to 8 times\n"
	      "  --name NAME      for messages (default: guest)\n"
	      "  --mshv FILE      hypervisor device (default: /dev/mshv)\n"
	      "  --grace SECONDS  from SIGTERM (power button) to the end (default: 10)\n"
	      "  --log LEVEL      error, warn, info or debug (default: info)\n"
	      "  --help           this text\n"
	      "\n"
	      "The guest's serial port is standard input and output; on a terminal,\n"
	      "Ctrl-A x ends the guest and Ctrl-A Ctrl-A sends a Ctrl-A.\n"
	      "Exit code: 0 powered off, 1 internal error, 2 wrong options,\n"
	      "3 unusable configuration, 4 host cannot run it, 10 reset requested,\n"
	      "11 crashed, 12 killed.\n",
	      to);
}

static bool parse_count(const char *text, unsigned int max, unsigned int *out)
{
	uint64_t v;

	if (!conf_parse_u64(text, &v) || v > max)
		return false;
	*out = (unsigned int)v;
	return true;
}

/* How it is meant, then what is wrong. */
static bool wrong(const char *what, const char *value)
{
	config_usage(stderr);
	log_error("wrong option (%s: \"%s\")", what, value);
	return false;
}

static bool parse_switch(const char *text, bool *out)
{
	*out = strcmp(text, "on") == 0;
	return *out || strcmp(text, "off") == 0;
}

/* given: the keys so far, one bit each. */
static bool parse_disk_item(struct disk_config *d, const char *key, const char *value,
			    unsigned int *given)
{
	static const char *const keys[] = { "path", "readonly", "serial" };

	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(key, keys[i]) == 0 && *given & 1U << i)
			return wrong("--disk, given twice", key);
		if (strcmp(key, keys[i]) == 0)
			*given |= 1U << i;
	}
	if (strcmp(key, "path") == 0) {
		d->path = value;
		return *value || wrong("--disk path", value);
	}
	if (strcmp(key, "readonly") == 0)
		return parse_switch(value, &d->readonly) ||
		       wrong("--disk readonly, on or off", value);
	if (strcmp(key, "serial") == 0) {
		d->serial = value;
		return strlen(value) <= DISK_SERIAL_MAX ||
		       wrong("--disk serial, up to 20 bytes", value);
	}
	return wrong("--disk, unknown key", key);
}

/* key=value,key=value…; cut in place. */
static bool parse_disk(struct vm_config *c, char *text)
{
	struct disk_config *d;
	unsigned int given = 0;
	char *item, *value;

	if (c->disk_count == VMMCTL_DISKS_MAX)
		return wrong("--disk, at most 8", text);
	d = &c->disk[c->disk_count++];
	while ((item = strsep(&text, ",")) != NULL) {
		value = strchr(item, '=');
		if (!value)
			return wrong("--disk, not key=value", item);
		*value++ = '\0';
		if (!parse_disk_item(d, item, value, &given))
			return false;
	}
	return d->path || wrong("--disk, path is missing", "");
}

static bool parse_value(struct vm_config *c, enum option opt, char *arg)
{
	switch (opt) {
	case OPT_KERNEL:
		c->kernel = arg;
		return true;
	case OPT_INITRD:
		c->initrd = arg;
		return true;
	case OPT_CMDLINE:
		if (strlen(arg) > VMMCTL_CMDLINE_MAX)
			return wrong("--cmdline, at most 2047 bytes", "too long");
		c->cmdline = arg;
		return true;
	case OPT_MEMORY:
		if (!conf_parse_size(arg, &c->memory) || c->memory < VMMCTL_MEMORY_MIN ||
		    c->memory % VMMCTL_MEMORY_STEP)
			return wrong("--memory, from 2M in whole pages", arg);
		return true;
	case OPT_CPUS:
		if (!parse_count(arg, VMMCTL_CPUS_MAX, &c->cpus) || !c->cpus)
			return wrong("--cpus, 1 to 64", arg);
		return true;
	case OPT_DISK:
		return parse_disk(c, arg);
	case OPT_NAME:
		if (!conf_is_name(arg, VMMCTL_NAME_MAX))
			return wrong("--name, 1 to 31 of a-z, 0-9 and -", arg);
		c->name = arg;
		return true;
	case OPT_MSHV:
		c->mshv = arg;
		return true;
	case OPT_GRACE:
		if (!parse_count(arg, GRACE_MAX_S, &c->grace_s))
			return wrong("--grace, 0 to 86400 seconds", arg);
		return true;
	case OPT_LOG:
		if (log_parse_level(arg, &c->log_level))
			return wrong("--log, error, warn, info or debug", arg);
		return true;
	case OPT_HELP:
	case OPT_UNKNOWN:
	default:
		return false;
	}
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

/* The option that the first length bytes of arg are; whole names only. */
static enum option find_option(const char *arg, size_t length)
{
	enum option opt;

	for (opt = 0; opt < OPT_UNKNOWN; opt++) {
		if (strlen(option_names[opt]) == length &&
		    memcmp(option_names[opt], arg, length) == 0)
			break;
	}
	return opt;
}

/* "--option value" or "--option=value", each once, but for --disk. */
enum config_result config_parse(struct vm_config *c, int argc, char **argv)
{
	unsigned int given = 0;

	*c = (struct vm_config){
		.name = "guest",
		.cmdline = "console=ttyS0",
		.mshv = "/dev/mshv",
		.memory = UINT64_C(64) << 20,
		.cpus = 1,
		.grace_s = VMMCTL_GRACE_S,
		.log_level = LOG_INFO,
	};
	for (int i = 1; i < argc; i++) {
		if (!is_one_line(argv[i])) {
			config_usage(stderr);
			log_error("wrong option (control character in argument %d)", i);
			return CONFIG_WRONG;
		}
	}
	for (int i = 1; i < argc; i++) {
		size_t length = strcspn(argv[i], "=");
		enum option opt = find_option(argv[i], length);
		char *value = argv[i][length] ? argv[i] + length + 1 : NULL;
		bool good;

		if (opt == OPT_UNKNOWN)
			good = wrong(strncmp(argv[i], "--", 2) ? "not an option" : "unknown",
				     argv[i]);
		else if (opt == OPT_HELP && !value)
			return CONFIG_HELP;
		else if (opt == OPT_HELP)
			good = wrong("takes no value", argv[i]);
		else if (given & 1U << opt && opt != OPT_DISK)
			good = wrong("given twice", option_names[opt]);
		else if (!value && !(value = argv[++i]))
			good = wrong("value is missing", option_names[opt]);
		else
			good = parse_value(c, opt, value);
		if (!good)
			return CONFIG_WRONG;
		given |= 1U << opt;
	}
	if (!c->kernel) {
		config_usage(stderr);
		log_error("wrong option (--kernel is missing)");
		return CONFIG_WRONG;
	}
	return CONFIG_RUN;
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
