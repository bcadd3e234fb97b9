/* SPDX-License-Identifier: MIT */
/* The devices of the machine. Addresses: include/abi/platform.h. */
#include "abi/platform.h"

DefinitionBlock ("", "DSDT", 2, "ROOTST", "MACHINE ", 1)
{
	/* Soft-off; the second value is for PM1b, which does not exist. */
	Name (\_S5, Package () { PLATFORM_PM_SLEEP_S5, 0, 0, 0 })

	Scope (\_SB)
	{
		/* Windows nobody may take for free space. */
		Device (MBRD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, PLATFORM_ECAM_BASE, PLATFORM_ECAM_SIZE)
				IO (Decode16, PLATFORM_PORT_PM, PLATFORM_PORT_PM, 1,
				    PLATFORM_PM_PORTS)
			})
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, PLATFORM_PORT_COM1, PLATFORM_PORT_COM1, 1, 8)
				Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) {
					PLATFORM_GSI_COM1
				}
			})
		}

		/* No interrupt: it has no alarm. */
		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, PLATFORM_PORT_RTC, PLATFORM_PORT_RTC, 1, 2)
			})
		}

		Device (PEVT)
		{
			Name (_HID, "QEMU0001")
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, PLATFORM_PORT_PVPANIC, PLATFORM_PORT_PVPANIC, 1, 1)
			})
		}

		/* Linux looks for VMGENCTR, Windows for the name in the specification. */
		Device (VGEN)
		{
			Name (_HID, "ROOT0001")
			Name (_CID, Package () { "VMGENCTR", "VM_Gen_Counter" })
			Name (_DDN, "VM_Gen_Counter")
			Name (ADDR, Package () { PLATFORM_VMGENID, 0 })
		}

		Device (PWRB)
		{
			Name (_HID, EisaId ("PNP0C0C"))
			Name (_UID, 0)
		}

		/*
		 * Generic event device: the interrupt says that something
		 * happened, the event port says what.
		 */
		Device (GED)
		{
			Name (_HID, "ACPI0013")
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) {
					PLATFORM_GSI_SCI
				}
			})
			OperationRegion (PMIO, SystemIO, PLATFORM_PORT_PM, PLATFORM_PM_PORTS)
			Field (PMIO, ByteAcc, NoLock, Preserve)
			{
				Offset (PLATFORM_PM_EVENTS),
				EVNT, 8
			}
			Method (_EVT, 1, Serialized)
			{
				Local0 = EVNT	/* reading clears */
				If (Local0 & PLATFORM_PM_EVENT_POWER_BUTTON)
				{
					Notify (\_SB.PWRB, 0x80)
				}
			}
		}

		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_SEG, 0)
			Name (_BBN, 0)
			Name (_UID, 0)
			Name (_CCA, 1)
			Name (_CRS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, PLATFORM_PCI32_BASE,
					PLATFORM_PCI32_LAST, 0,
					PLATFORM_PCI32_SIZE)
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					Cacheable, ReadWrite,
					0, PLATFORM_PCI64_BASE,
					PLATFORM_PCI64_LAST, 0,
					PLATFORM_PCI64_SIZE)
			})
			/*
			 * Everything the guest asks for is its own: there is no
			 * firmware behind it that would want hot plug or PME.
			 */
			Method (_OSC, 4, NotSerialized)
			{
				CreateDWordField (Arg3, 0, CDW1)
				If (Arg0 != ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766"))
				{
					CDW1 |= 4	/* unrecognised UUID */
				}
				Return (Arg3)
			}
		}
	}
}
