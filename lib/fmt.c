/* SPDX-License-Identifier: MIT */
#include "lib/fmt.h"

struct out {
	char *buf;
	size_t size;
	size_t length; /* of the whole text, what does not fit included */
};

/* One conversion: flags, width, precision, size. */
struct spec {
	bool zero;
	bool left;
	bool prefix; /* 0x in front of a hexadecimal number */
	size_t width;
	size_t precision;   /* SIZE_MAX: none given */
	unsigned int longs; /* 0 int, 1 long, 2 long long or size_t */
};

static void put(struct out *out, char c)
{
	if (out->length + 1 < out->size)
		out->buf[out->length] = c;
	out->length++;
}

static void pad(struct out *out, char c, size_t width, size_t used)
{
	for (; used < width; used++)
		put(out, c);
}

static void put_string(struct out *out, const struct spec *spec, const char *s)
{
	size_t length = 0;

	if (s == NULL)
		s = "(null)";
	while (length < spec->precision && s[length] != '\0')
		length++;
	if (!spec->left)
		pad(out, ' ', spec->width, length);
	for (size_t i = 0; i < length; i++)
		put(out, s[i]);
	if (spec->left)
		pad(out, ' ', spec->width, length);
}

static void put_number(struct out *out, const struct spec *spec, uint64_t value, unsigned int base,
		       bool negative)
{
	char digits[20]; /* 2^64 in decimal */
	const char *sign = negative ? "-" : spec->prefix && base == 16 && value != 0 ? "0x" : "";
	size_t count = 0, used;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);

	used = count + (sign[0] != '\0') + (sign[0] == '0');
	if (!spec->zero)
		pad(out, ' ', spec->width, used);
	for (; *sign != '\0'; sign++)
		put(out, *sign);
	if (spec->zero)
		pad(out, '0', spec->width, used);
	while (count > 0)
		put(out, digits[--count]);
}

/* A va_list can be handed down portably only inside a structure. */
struct args {
	va_list list;
};

static size_t parse_count(const char **format, struct args *args)
{
	size_t count = 0;

	if (**format == '*') {
		int given = va_arg(args->list, int);

		(*format)++;
		return given > 0 ? (size_t)given : 0;
	}
	while (**format >= '0' && **format <= '9') {
		count = count * 10 + (size_t)(**format - '0');
		(*format)++;
	}
	return count;
}

/* *format: behind the "%"; afterwards at the conversion letter. */
static struct spec parse_spec(const char **format, struct args *args)
{
	struct spec spec = { .precision = SIZE_MAX };

	for (;; (*format)++) {
		if (**format == '0')
			spec.zero = true;
		else if (**format == '-')
			spec.left = true;
		else if (**format == '#')
			spec.prefix = true;
		else
			break;
	}
	spec.width = parse_count(format, args);
	if (**format == '.') {
		(*format)++;
		spec.precision = parse_count(format, args);
	}
	for (; **format == 'l'; (*format)++)
		spec.longs++;
	if (**format == 'z') {
		spec.longs = 2;
		(*format)++;
	}
	return spec;
}

size_t fmt_vprint(char *buf, size_t size, const char *format, va_list list)
{
	struct out out = { .buf = buf, .size = size };
	struct args args;

	va_copy(args.list, list);
	for (; *format != '\0'; format++) {
		struct spec spec;
		uint64_t value;
		int64_t number;

		if (*format != '%') {
			put(&out, *format);
			continue;
		}
		format++;
		spec = parse_spec(&format, &args);

		switch (*format) {
		case 'c':
			put(&out, (char)va_arg(args.list, int));
			break;
		case 's':
			put_string(&out, &spec, va_arg(args.list, const char *));
			break;
		case 'd':
			number = spec.longs == 0 ? va_arg(args.list, int) :
				 spec.longs == 1 ? va_arg(args.list, long) :
						   va_arg(args.list, long long);
			value = number < 0 ? -(uint64_t)number : (uint64_t)number;
			put_number(&out, &spec, value, 10, number < 0);
			break;
		case 'u':
		case 'x':
			value = spec.longs == 0 ? va_arg(args.list, unsigned int) :
				spec.longs == 1 ? va_arg(args.list, unsigned long) :
						  va_arg(args.list, unsigned long long);
			put_number(&out, &spec, value, *format == 'x' ? 16 : 10, false);
			break;
		case 'p':
			value = (uint64_t)(uintptr_t)va_arg(args.list, void *);
			spec.prefix = true;
			put_number(&out, &spec, value, 16, false);
			break;
		case '\0':
			put(&out, '%');
			format--; /* the loop's end test sees the NUL */
			break;
		default:
			if (*format != '%')
				put(&out, '%');
			put(&out, *format);
			break;
		}
	}
	va_end(args.list);
	if (size > 0)
		buf[MIN(out.length, size - 1)] = '\0';
	return out.length;
}

size_t fmt_print(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	size_t length;

	va_start(args, format);
	length = fmt_vprint(buf, size, format, args);
	va_end(args);
	return length;
}
