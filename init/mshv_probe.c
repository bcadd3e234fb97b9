/* SPDX-License-Identifier: MIT */
/* The one place in init that speaks to the hypervisor's driver. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mshv.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "init/mshv.h"

/*
 * What the probe asks: HvCallGetPartitionPropertyEx for the root's own VMM
 * capabilities.  The kernel fills in the partition.
 */
#define CALL_GET_PARTITION_PROPERTY_EX 0x0101
#define PROPERTY_VMM_CAPABILITIES      0x00090007

struct property_request {
	uint64_t partition;
	uint32_t property;
	uint32_t pad;
	uint64_t argument;
};

enum mshv_failure mshv_probe(int *error)
{
	struct property_request request = { .property = PROPERTY_VMM_CAPABILITIES };
	/* The kernel wants room for the whole answer; a page is the most there is. */
	static char answer[4072];
	struct mshv_root_hvcall call = {
		.code = CALL_GET_PARTITION_PROPERTY_EX,
		.in_sz = sizeof(request),
		.out_sz = sizeof(answer),
		.in_ptr = (uintptr_t)&request,
		.out_ptr = (uintptr_t)answer,
	};
	enum mshv_failure failure = MSHV_NONE;
	int fd = open(MSHV_DEVICE, O_RDWR | O_CLOEXEC);

	*error = errno;
	if (fd < 0)
		return errno == ENOENT || errno == ENXIO || errno == ENODEV ? MSHV_MISSING :
									      MSHV_REFUSED;
	/*
	 * Some hypervisors do not know this property.  That is an answer, too:
	 * the driver then reports the hypervisor's own status beside the error.
	 */
	if (ioctl(fd, MSHV_ROOT_HVCALL, &call) != 0 && call.status == 0) {
		*error = errno;
		failure = MSHV_SILENT;
	}
	close(fd);
	return failure;
}
