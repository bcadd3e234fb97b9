/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/intercepts": instructions the hypervisor carries
 * out for a guest, those a VMM asked for by INSTALL_INTERCEPT, and a device's
 * registers in a guest's memory, through /dev/mshv.
 * Prints "intercepts: N checks, M failures" and powers off.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/mshv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "include/abi/hv/hypercall.h"
#define CHECKS_PROGRAM "intercepts"
#include "tests/root/lib/checks.h"
#include "tests/root/lib/guest.h"
#include "tests/root/lib/testinit.h"

/* clang-format off: an instruction a line */
static const uint8_t code[] = {
	0xf3, 0x0f, 0xa2,			/*  0 rep cpuid */
	0x66, 0xb9, 0x10, 0x00, 0x00, 0x00,	/*  3 mov ecx,0x10 */
	0x66, 0x0f, 0x32,			/*  9 data32 rdmsr: the TSC */
	0xf3, 0x0f, 0x09,			/* 12 rep wbinvd */
	0xe6, 0x80,				/* 15 out 0x80,al */
	0x66, 0xb8, 0x00, 0x01, 0x00, 0x00,	/* 17 mov eax,0x100 */
	0x0f, 0xa2,				/* 23 cpuid */
	0x66, 0xb9, 0x10, 0x00, 0x00, 0x00,	/* 25 mov ecx,0x10 */
	0xf2, 0x0f, 0x32,			/* 31 repne rdmsr */
	0xe6, 0x81,				/* 34 out 0x81,al */
	0x66, 0xb9, 0x00, 0x0f, 0x00, 0x40,	/* 36 mov ecx,0x40000f00 */
	0x0f, 0x30,				/* 42 wrmsr, of none that there is */
	0x0f, 0x0b,				/* 44 ud2 */
	0xe6, 0x82,				/* 46 out 0x82,al */
};
/* clang-format on */

static uint16_t install(struct guest *g, uint32_t type, uint32_t access, uint64_t parameter)
{
	struct hv_input_install_intercept in = {
		.access = access, .type = type, .parameter = parameter,
	};
	uint16_t status = 0xffff;

	hvcall(g->pt, HVCALL_INSTALL_INTERCEPT, 0, &in, sizeof(in), NULL, 0, &status);
	return status;
}

/* Runs to a message of @type at byte @at of the code. */
static void expect(struct guest *g, uint32_t type, unsigned int at, unsigned int length)
{
	const struct hv_x64_intercept_header *h = (const void *)g->msg.payload;
	int64_t got = guest_run(g);

	EXPECT(got == type, "%#llx, not %#x", (long long)got, type);
	EXPECT(h->rip == CODE_AT + at, "at %lld, not %u", (long long)h->rip - CODE_AT, at);
	EXPECT((h->length_cr8 & 15u) == length, "%u bytes", h->length_cr8 & 15u);
}

static void run(struct guest *g)
{
	const struct hv_x64_cpuid_intercept *c = (const void *)g->msg.payload;
	const struct hv_x64_msr_intercept *m = (const void *)g->msg.payload;
	const struct hv_x64_exception_intercept *x = (const void *)g->msg.payload;

	/* The hypervisor steps over what it does itself, with all prefixes. */
	expect(g, HV_MESSAGE_X64_IO_PORT_INTERCEPT, 15, 2);
	EXPECT(install(g, HV_INTERCEPT_CPUID, HV_INTERCEPT_EXECUTE, 0x100) == 0, "leaf");
	EXPECT(install(g, HV_INTERCEPT_MSR_INDEX, HV_INTERCEPT_READ, 0x10) == 0, "MSR");
	EXPECT(install(g, HV_INTERCEPT_MSR, HV_INTERCEPT_WRITE, 0) == 0, "MSRs");
	EXPECT(install(g, HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, 6) == 0, "#UD");
	EXPECT(install(g, HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, 18) ==
	       HV_STATUS_INVALID_PARAMETER, "#MC");
	EXPECT(install(g, 7, HV_INTERCEPT_EXECUTE, 0) == HV_STATUS_INVALID_PARAMETER, "type");
	guest_skip(g, 2);

	expect(g, HV_MESSAGE_X64_CPUID_INTERCEPT, 23, 2);
	EXPECT((uint32_t)c->rax == 0x100, "%#llx", (long long)c->rax);
	guest_skip(g, 2);
	expect(g, HV_MESSAGE_X64_MSR_INTERCEPT, 31, 3);
	EXPECT(m->msr == 0x10 && m->header.access == HV_ACCESS_READ, "MSR %#x", m->msr);
	g->page->gpr[0] = 0x5a;
	g->page->dirty |= HV_REGISTER_PAGE_GENERAL;
	guest_skip(g, 3);
	expect(g, HV_MESSAGE_X64_IO_PORT_INTERCEPT, 34, 2);
	EXPECT((uint8_t)g->page->gpr[0] == 0x5a, "%#llx", (long long)g->page->gpr[0]);
	guest_skip(g, 2);
	expect(g, HV_MESSAGE_X64_MSR_INTERCEPT, 42, 2);
	EXPECT(m->msr == 0x40000f00 && m->header.access == HV_ACCESS_WRITE, "MSR %#x", m->msr);
	guest_skip(g, 2);
	expect(g, HV_MESSAGE_X64_EXCEPTION_INTERCEPT, 44, 0);
	EXPECT(x->vector == 6 && x->info == 0 && (uint8_t)x->gpr[0] == 0x5a, "%u", x->vector);
	guest_skip(g, 2);
	expect(g, HV_MESSAGE_X64_IO_PORT_INTERCEPT, 46, 2);
}

/* --- single steps --- */

/* clang-format off: an instruction a line */
static const uint8_t step_code[] = {
	0xbc, 0x00, 0x60,			/*  0 mov sp,0x6000 */
	0xc7, 0x06, 0x04, 0x00, 0x20, 0x10,	/*  3 mov word [4],0x1020: #DB's handler */
	0xc7, 0x06, 0x06, 0x00, 0x00, 0x00,	/*  9 mov word [6],0 */
	0xbf, 0x00, 0x80,			/* 15 mov di,0x8000 */
	0x9c,					/* 18 pushf */
	0x80, 0x0e, 0xff, 0x5f, 0x01,		/* 19 or byte [0x5fff],1: TF */
	0x9d,					/* 24 popf */
	0x0f, 0xa2,				/* 25 cpuid */
	0x90,					/* 27 nop */
	0x0f, 0xa2,				/* 28 cpuid */
	0xe6, 0x80,				/* 30 out 0x80,al */
	0x8f, 0x05,				/* 32 pop word [di]: where it trapped */
	0xff, 0x35,				/* 34 push word [di] */
	0x47, 0x47,				/* 36 inc di; inc di */
	0xcf,					/* 38 iret */
};
/* clang-format on */

/* What the hypervisor carries out traps like what the processor does. */
static void steps(struct guest *g)
{
	static const uint16_t want[] = { CODE_AT + 27, CODE_AT + 28, CODE_AT + 30, 0 };
	const struct hv_x64_exception_intercept *x = (const void *)g->msg.payload;

	expect(g, HV_MESSAGE_X64_IO_PORT_INTERCEPT, 30, 2);
	EXPECT(!memcmp(g->ram + 0x8000, want, sizeof(want)), "trapped at %#x %#x %#x",
	       *(uint16_t *)(g->ram + 0x8000), *(uint16_t *)(g->ram + 0x8002),
	       *(uint16_t *)(g->ram + 0x8004));
	/* The same for a debugger. */
	EXPECT(install(g, HV_INTERCEPT_EXCEPTION, HV_INTERCEPT_EXECUTE, 1) == 0, "#DB");
	g->page->rip = CODE_AT + 25;
	g->page->dirty |= HV_REGISTER_PAGE_RIP;
	for (unsigned int i = 0; want[i]; i++) {
		expect(g, HV_MESSAGE_X64_EXCEPTION_INTERCEPT, want[i] - CODE_AT, 0);
		EXPECT(x->vector == 1 && (x->parameter & 0x400f) == 0x4000, "%u, DR6 %#llx",
		       x->vector, (long long)x->parameter);
	}
}

/* --- NMIs --- */

/* clang-format off: an instruction a line */
static const uint8_t nmi_code[] = {
	0xbc, 0x00, 0x60,			/*  0 mov sp,0x6000 */
	0xc7, 0x06, 0x08, 0x00, 0x3a, 0x10,	/*  3 mov word [8],0x103a: its handler */
	0xc7, 0x06, 0x0a, 0x00, 0x00, 0x00,	/*  9 mov word [10],0 */
	0xbe, 0x00, 0x80,			/* 15 mov si,0x8000 */
	0x31, 0xff,				/* 18 xor di,di */
	0x66, 0xb9, 0x1b, 0x00, 0x00, 0x00,	/* 20 mov ecx,0x1b */
	0x0f, 0x32,				/* 26 rdmsr */
	0x0d, 0x00, 0x0c,			/* 28 or ax,0xc00: x2APIC mode */
	0x0f, 0x30,				/* 31 wrmsr */
	0x66, 0xb9, 0x30, 0x08, 0x00, 0x00,	/* 33 mov ecx,0x830 */
	0x66, 0x31, 0xd2,			/* 39 xor edx,edx */
	0x66, 0xb8, 0x00, 0x44, 0x00, 0x00,	/* 42 mov eax,0x4400 */
	0x0f, 0x30,				/* 48 wrmsr: an NMI to itself */
	0x47,					/* 50 inc di */
	0x83, 0xff, 0x64,			/* 51 cmp di,100 */
	0x75, 0xfa,				/* 54 jne 50 */
	0xe6, 0x80,				/* 56 out 0x80,al */
	0x89, 0x3c,				/* 58 mov [si],di: when it came */
	0x46, 0x46,				/* 60 inc si; inc si */
	0x81, 0xfe, 0x06, 0x80,			/* 62 cmp si,0x8006 */
	0x74, 0x02,				/* 66 je 70 */
	0x0f, 0x30,				/* 68 wrmsr: another one meanwhile */
	0xcf,					/* 70 iret */
};
/* clang-format on */

/* Three NMIs, of which two came in the handler of the one before: at once, with IF clear. */
static void nmis(struct guest *g)
{
	const uint16_t *at = (const uint16_t *)(const void *)(g->ram + 0x8000);

	memset(g->ram + 0x8000, 0xff, 8);
	expect(g, HV_MESSAGE_X64_IO_PORT_INTERCEPT, 56, 2);
	EXPECT(!at[0] && !at[1] && !at[2] && at[3] == 0xffff, "at %u %u %u", at[0], at[1], at[2]);
}

/* --- CR4 --- */

/* mov cr4,eax; out 0x80,al; #GP: out 0x81,al */
static const uint8_t cr4_code[] = { 0x0f, 0x22, 0xe0, 0xe6, 0x80, 0xe6, 0x81 };

/* PSE, OSFXSR; and of what guests do not have: PKE, CET, LA57, PCIDE */
static void cr4(struct guest *g)
{
	static const uint32_t value[] = { 0x10, 0x200, 0, 1u << 22, 1u << 23, 1u << 12, 1u << 17 };
	const uint16_t gp[2] = { CODE_AT + 5, 0 };
	union hv_register_value now;

	memcpy(g->ram + 13 * 4, gp, sizeof(gp));
	for (unsigned int i = 0; i < sizeof(value) / sizeof(*value); i++) {
		bool good = value[i] < 1u << 12;

		g->page->gpr[0] = value[i];
		g->page->rip = CODE_AT;
		g->page->dirty |= HV_REGISTER_PAGE_GENERAL | HV_REGISTER_PAGE_RIP;
		expect(g, HV_MESSAGE_X64_IO_PORT_INTERCEPT, good ? 3 : 5, 2);
		EXPECT(get_register(g, HV_X64_REGISTER_CR4, &now) == 0, "errno %d", errno);
		EXPECT(now.reg64 == (good ? value[i] : 0), "%#llx", (long long)now.reg64);
	}
}

/* --- registers of a device in a guest's memory --- */

#define DEVICE_AT 0x100000

/* mov ax,0xffff; mov es,ax; mov eax,[es:di]; out 0x80,eax: ES:0x10 is DEVICE_AT */
static const uint8_t device_code[] = { 0xb8, 0xff, 0xff, 0x8e, 0xc0, 0x66, 0x26, 0x8b,
				       0x05, 0x66, 0xe7, 0x80 };

/* A BAR with something to read in its first page: *at, *value. NULL: there is none. */
static volatile uint32_t *device_page(unsigned int *at, uint32_t *value)
{
	glob_t found;

	mount("sysfs", "/sys", "sysfs", 0, NULL);
	if (glob("/sys/bus/pci/devices/*/resource[0-5]", 0, NULL, &found))
		return NULL;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int fd = open(found.gl_pathv[i], O_RDWR | O_CLOEXEC);
		volatile uint32_t *page =
			mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (page == MAP_FAILED)
			continue;
		for (*at = 0; *at < 64; *at += 4) {
			*value = page[*at / 4];
			if (*value && *value != 0xffffffff && *value == page[*at / 4])
				return page;
		}
	}
	return NULL;
}

static void device(struct guest *g)
{
	const struct hv_x64_io_port_intercept *io = (const void *)g->msg.payload;
	uint32_t value = 0;
	unsigned int at = 0;
	volatile uint32_t *page = device_page(&at, &value);
	struct mshv_user_mem_region mem = {
		.size = 4096,
		.guest_pfn = DEVICE_AT >> 12,
		.userspace_addr = (uintptr_t)page,
		.flags = 1 << MSHV_SET_MEM_BIT_WRITABLE,
	};

	EXPECT(page, "no device with registers");
	if (!page)
		return;
	EXPECT(ioctl(g->pt, MSHV_SET_GUEST_MEMORY, &mem) == 0, "errno %d", errno);
	g->page->gpr[7] = 0x10 + at;
	g->page->dirty |= HV_REGISTER_PAGE_GENERAL;
	expect(g, HV_MESSAGE_X64_IO_PORT_INTERCEPT, 9, 3);
	EXPECT((uint32_t)io->rax == value, "%#x, not %#x, at %u", (uint32_t)io->rax, value, at);
}

int main(void)
{
	struct guest g;
	int error;

	testinit_start();
	error = guest_device();
	if (!error)
		error = guest_create(&g, code, sizeof(code));
	EXPECT(error == 0, "%s", strerror(-error));
	if (!error)
		run(&g);
	guest_destroy(&g);
	error = guest_create(&g, step_code, sizeof(step_code));
	EXPECT(error == 0, "%s", strerror(-error));
	if (!error)
		steps(&g);
	guest_destroy(&g);
	error = guest_create(&g, nmi_code, sizeof(nmi_code));
	EXPECT(error == 0, "%s", strerror(-error));
	if (!error)
		nmis(&g);
	guest_destroy(&g);
	error = guest_create(&g, cr4_code, sizeof(cr4_code));
	EXPECT(error == 0, "%s", strerror(-error));
	if (!error)
		cr4(&g);
	guest_destroy(&g);
	error = guest_create(&g, device_code, sizeof(device_code));
	EXPECT(error == 0, "%s", strerror(-error));
	if (!error)
		device(&g);
	printf("intercepts: %u checks, %u failures\n", checks, failures);
	testinit_end();
}
