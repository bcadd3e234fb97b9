/* SPDX-License-Identifier: MIT */
#include "vmm/debug/gdbregs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/log.h"

/* --- what the hypervisor has: an index each, in this order --- */

static const struct {
	uint32_t first;
	uint8_t count;
} hv[] = {
	{ HV_X64_REGISTER_RAX, 18 }, { HV_X64_REGISTER_ES, 8 },	   { HV_X64_REGISTER_IDTR, 2 },
	{ HV_X64_REGISTER_CR0, 1 },  { HV_X64_REGISTER_CR2, 4 },   { HV_X64_REGISTER_EFER, 2 },
	{ HV_X64_REGISTER_DR0, 6 },  { HV_X64_REGISTER_XMM0, 16 }, { HV_X64_REGISTER_FP_MMX0, 10 },
};

/* clang-format off */
enum {
	RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, RIP = R8 + 8, RFLAGS,
	ES, CS, SS, DS, FS, GS, LDTR, TR,
	IDTR, GDTR,
	CR0, CR2, CR3, CR4, CR8,
	EFER, KERNEL_GS_BASE,
	DR0, DR6 = DR0 + 4, DR7,
	XMM0, ST0 = XMM0 + 16, FP_CONTROL = ST0 + 8, XMM_CONTROL,
	HV_COUNT,
};
/* clang-format on */

_Static_assert(HV_COUNT == GDBREGS_HV, "all of them");

void gdbregs_names(struct hv_register_assoc *r)
{
	unsigned int n = 0;

	memset(r, 0, GDBREGS_HV * sizeof(*r));
	for (size_t i = 0; i < ARRAY_SIZE(hv); i++) {
		for (unsigned int k = 0; k < hv[i].count; k++)
			r[n++].name = hv[i].first + k;
	}
	CHECK(n == GDBREGS_HV);
}

/* --- what gdb wants, in the order of its numbers --- */

enum feature { CORE, SSE, SEGMENTS, SYSTEM };

static const char *const features[] = {
	[CORE] = "org.gnu.gdb.i386.core",
	[SSE] = "org.gnu.gdb.i386.sse",
	[SEGMENTS] = "org.gnu.gdb.i386.segments",
	[SYSTEM] = "org.rootstock.system",
};

enum type { INT, CODE, DATA, FLAGS, EXTENDED, VECTOR, MXCSR };

static const char *const types[] = {
	[INT] = "int",		 [CODE] = "code_ptr",	  [DATA] = "data_ptr",
	[FLAGS] = "i386_eflags", [EXTENDED] = "i387_ext", [VECTOR] = "vec128",
	[MXCSR] = "i386_mxcsr",
};

/* Of a value: @bytes at @at. The abridged tag word is the one that is not just copied. */
struct row {
	const char *name;
	uint8_t hv, at, bytes, gdb_bytes;
	uint8_t type, feature;
	uint8_t count, first; /* of a numbered name; count 0: it has no number */
};

#define FIELD(f) offsetof(union hv_register_value, f)
#define WIDE(n, i, t, f)                  \
	{                                 \
		n, i, 0, 8, 8, t, f, 0, 0 \
	}
#define SELECTOR(n, i, f)                                         \
	{                                                         \
		n, i, FIELD(segment.selector), 2, 4, INT, f, 0, 0 \
	}
#define FP(n, i, at, size)                         \
	{                                          \
		n, i, at, size, 4, INT, CORE, 0, 0 \
	}
#define FTAG "ftag"

/* clang-format off: a table */
static const struct row rows[] = {
	WIDE("rax", RAX, INT, CORE),
	WIDE("rbx", RBX, INT, CORE),
	WIDE("rcx", RCX, INT, CORE),
	WIDE("rdx", RDX, INT, CORE),
	WIDE("rsi", RSI, INT, CORE),
	WIDE("rdi", RDI, INT, CORE),
	WIDE("rbp", RBP, DATA, CORE),
	WIDE("rsp", RSP, DATA, CORE),
	{ "r", R8, 0, 8, 8, INT, CORE, 8, 8 },
	WIDE("rip", RIP, CODE, CORE),
	{ "eflags", RFLAGS, 0, 4, 4, FLAGS, CORE, 0, 0 },
	SELECTOR("cs", CS, CORE),
	SELECTOR("ss", SS, CORE),
	SELECTOR("ds", DS, CORE),
	SELECTOR("es", ES, CORE),
	SELECTOR("fs", FS, CORE),
	SELECTOR("gs", GS, CORE),
	{ "st", ST0, 0, 10, 10, EXTENDED, CORE, 8, 0 },
	FP("fctrl", FP_CONTROL, FIELD(fp_control.fp_control), 2),
	FP("fstat", FP_CONTROL, FIELD(fp_control.fp_status), 2),
	FP(FTAG, FP_CONTROL, FIELD(fp_control.fp_tag), 1),
	FP("fiseg", FP_CONTROL, FIELD(fp_control.last_fp_rip) + 4, 2),
	FP("fioff", FP_CONTROL, FIELD(fp_control.last_fp_rip), 4),
	FP("foseg", XMM_CONTROL, FIELD(xmm_control.last_fp_rdp) + 4, 2),
	FP("fooff", XMM_CONTROL, FIELD(xmm_control.last_fp_rdp), 4),
	FP("fop", FP_CONTROL, FIELD(fp_control.last_fp_op), 2),
	{ "xmm", XMM0, 0, 16, 16, VECTOR, SSE, 16, 0 },
	{ "mxcsr", XMM_CONTROL, FIELD(xmm_control.xmm_status_control), 4, 4, MXCSR, SSE, 0, 0 },
	WIDE("fs_base", FS, INT, SEGMENTS),
	WIDE("gs_base", GS, INT, SEGMENTS),
	WIDE("k_gs_base", KERNEL_GS_BASE, INT, SYSTEM),
	WIDE("cr0", CR0, INT, SYSTEM),
	WIDE("cr2", CR2, INT, SYSTEM),
	WIDE("cr3", CR3, INT, SYSTEM),
	WIDE("cr4", CR4, INT, SYSTEM),
	WIDE("cr8", CR8, INT, SYSTEM),
	WIDE("efer", EFER, INT, SYSTEM),
	WIDE("cs_base", CS, INT, SYSTEM),
	WIDE("ss_base", SS, INT, SYSTEM),
	WIDE("ds_base", DS, INT, SYSTEM),
	WIDE("es_base", ES, INT, SYSTEM),
	SELECTOR("ldtr", LDTR, SYSTEM),
	WIDE("ldtr_base", LDTR, INT, SYSTEM),
	SELECTOR("tr", TR, SYSTEM),
	WIDE("tr_base", TR, INT, SYSTEM),
	{ "gdtr_base", GDTR, FIELD(table.base), 8, 8, INT, SYSTEM, 0, 0 },
	{ "gdtr_limit", GDTR, FIELD(table.limit), 2, 4, INT, SYSTEM, 0, 0 },
	{ "idtr_base", IDTR, FIELD(table.base), 8, 8, INT, SYSTEM, 0, 0 },
	{ "idtr_limit", IDTR, FIELD(table.limit), 2, 4, INT, SYSTEM, 0, 0 },
	{ "dr", DR0, 0, 8, 8, INT, SYSTEM, 4, 0 },
	WIDE("dr6", DR6, INT, SYSTEM),
	WIDE("dr7", DR7, INT, SYSTEM),
};
/* clang-format on */

/* --- values --- */

/* One bit of the abridged tag word (FXSAVE), not empty, is two, valid or empty. */
static uint32_t tags_of(uint8_t abridged)
{
	uint32_t tags = 0;

	for (unsigned int i = 0; i < 8; i++)
		tags |= abridged >> i & 1 ? 0 : 3U << 2 * i;
	return tags;
}

static uint8_t tags_abridged(uint32_t tags)
{
	uint8_t abridged = 0;

	for (unsigned int i = 0; i < 8; i++)
		abridged |= (uint8_t)((tags >> 2 * i & 3) != 3) << i;
	return abridged;
}

void gdbregs_pack(const struct hv_register_assoc *r, uint8_t block[GDBREGS_BYTES])
{
	uint8_t *to = block;

	memset(block, 0, GDBREGS_BYTES);
	for (const struct row *w = rows; w < rows + ARRAY_SIZE(rows); w++) {
		for (unsigned int i = 0; i < MAX(w->count, 1U); i++, to += w->gdb_bytes) {
			const uint8_t *from = (const uint8_t *)&r[w->hv + i].value + w->at;
			uint32_t tags = tags_of(*from);

			if (strcmp(w->name, FTAG) == 0)
				memcpy(to, &tags, sizeof(tags));
			else
				memcpy(to, from, w->bytes);
		}
	}
	CHECK(to == block + GDBREGS_BYTES);
}

unsigned int gdbregs_unpack(struct hv_register_assoc *r, const uint8_t block[GDBREGS_BYTES])
{
	bool changed[GDBREGS_HV] = { false };
	const uint8_t *from = block;
	unsigned int n = 0;

	for (const struct row *w = rows; w < rows + ARRAY_SIZE(rows); w++) {
		for (unsigned int i = 0; i < MAX(w->count, 1U); i++, from += w->gdb_bytes) {
			uint8_t *to = (uint8_t *)&r[w->hv + i].value + w->at;
			uint8_t value[16];
			uint32_t tags;

			memcpy(value, from, w->bytes);
			if (strcmp(w->name, FTAG) == 0) {
				memcpy(&tags, from, sizeof(tags));
				value[0] = tags_abridged(tags);
			}
			changed[w->hv + i] |= memcmp(to, value, w->bytes) != 0;
			memcpy(to, value, w->bytes);
		}
	}
	for (unsigned int i = 0; i < GDBREGS_HV; i++) {
		if (changed[i])
			r[n++] = r[i];
	}
	return n;
}

unsigned int gdbregs_find(uint64_t number, unsigned int *offset)
{
	*offset = 0;
	for (const struct row *w = rows; w < rows + ARRAY_SIZE(rows); w++) {
		unsigned int count = MAX(w->count, 1U);

		if (number < count) {
			*offset += (unsigned int)number * w->gdb_bytes;
			return w->gdb_bytes;
		}
		number -= count;
		*offset += count * w->gdb_bytes;
	}
	return 0;
}

/* --- their description --- */

static void add(char *text, size_t *length, const char *format, ...) __printf(3, 4);

static void add(char *text, size_t *length, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text + *length, GDBREGS_XML_BYTES - *length, format, ap);
	va_end(ap);
	CHECK(n >= 0 && (size_t)n < GDBREGS_XML_BYTES - *length);
	*length += (size_t)n;
}

/* Names of bits from the lowest on; "-" has none. */
static void add_flags(char *text, size_t *length, const char *id, const char *bits)
{
	unsigned int bit = 0;

	add(text, length, "<flags id=\"%s\" size=\"4\">", id);
	while (*bits) {
		int n = (int)strcspn(bits, " ");

		if (*bits != '-')
			add(text, length, "<field name=\"%.*s\" start=\"%u\" end=\"%u\"/>", n, bits,
			    bit, bit);
		bits += n;
		bits += *bits == ' ';
		bit++;
	}
	add(text, length, "</flags>");
}

/* Types that are not gdb's own. */
static void add_types(char *text, size_t *length, enum feature f)
{
	static const struct {
		const char *type, *name;
		unsigned int count;
	} vectors[] = {
		{ "ieee_single", "v4_float", 4 }, { "ieee_double", "v2_double", 2 },
		{ "int8", "v16_int8", 16 },	  { "int16", "v8_int16", 8 },
		{ "int32", "v4_int32", 4 },	  { "int64", "v2_int64", 2 },
	};

	if (f == CORE)
		add_flags(text, length, "i386_eflags",
			  "CF - PF - AF - ZF SF TF IF DF OF - - NT - RF VM AC VIF VIP ID");
	if (f != SSE)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		add(text, length, "<vector id=\"%s_t\" type=\"%s\" count=\"%u\"/>", vectors[i].name,
		    vectors[i].type, vectors[i].count);
	add(text, length, "<union id=\"vec128\">");
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		add(text, length, "<field name=\"%s\" type=\"%s_t\"/>", vectors[i].name,
		    vectors[i].name);
	add(text, length, "<field name=\"uint128\" type=\"uint128\"/></union>");
	add_flags(text, length, "i386_mxcsr", "IE DE ZE OE UE PE DAZ IM DM ZM OM UM PM - - FZ");
}

size_t gdbregs_xml(char text[GDBREGS_XML_BYTES])
{
	int feature = -1;
	size_t n = 0;

	add(text, &n,
	    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
	    "<target><architecture>i386:x86-64</architecture>");
	for (const struct row *w = rows; w < rows + ARRAY_SIZE(rows); w++) {
		if (w->feature != feature) {
			add(text, &n, "%s<feature name=\"%s\">", feature < 0 ? "" : "</feature>\n",
			    features[w->feature]);
			add_types(text, &n, w->feature);
			feature = w->feature;
		}
		for (unsigned int i = 0; i < MAX(w->count, 1U); i++) {
			add(text, &n, "<reg name=\"%s", w->name);
			if (w->count)
				add(text, &n, "%u", w->first + i);
			add(text, &n, "\" bitsize=\"%u\" type=\"%s", 8U * w->gdb_bytes,
			    types[w->type]);
			add(text, &n, "%s\"/>",
			    w->type != INT    ? "" :
			    w->gdb_bytes == 8 ? "64" :
						"32");
		}
	}
	add(text, &n, "</feature></target>");
	return n;
}
