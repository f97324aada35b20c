// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest is told of the board; lodge.h has the same numbers.
 * iasl compiles it when the launcher is built.
 */
DefinitionBlock ("", "DSDT", 2, "LODGE ", "LODGE   ", 1)
{
	// S5 is the only sleep: SLP_TYP 5 in PM1 control
	Name (\_S5, Package () { 5, 5, 0, 0 })

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_SEG, 0)
			Name (_BBN, 0)
			Name (_CRS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed,
					MaxFixed, PosDecode, 0, 0, 0, 0, 1)
				IO (Decode16, 0xcf8, 0xcf8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed,
					PosDecode, EntireRange,
					0, 0x1000, 0xffff, 0, 0xf000)
				DWordMemory (ResourceProducer, PosDecode,
					MinFixed, MaxFixed, NonCacheable,
					ReadWrite, 0, 0xc0000000, 0xdfffffff,
					0, 0x20000000)
			})
			// INTA of slot n is GSI 16 + n % 8
			Name (_PRT, Package ()
			{
				Package () { 0x0001ffff, 0, 0, 17 },
				Package () { 0x0002ffff, 0, 0, 18 },
				Package () { 0x0003ffff, 0, 0, 19 },
				Package () { 0x0004ffff, 0, 0, 20 },
				Package () { 0x0005ffff, 0, 0, 21 },
				Package () { 0x0006ffff, 0, 0, 22 },
				Package () { 0x0007ffff, 0, 0, 23 },
				Package () { 0x0008ffff, 0, 0, 16 },
				Package () { 0x0009ffff, 0, 0, 17 },
				Package () { 0x000affff, 0, 0, 18 },
				Package () { 0x000bffff, 0, 0, 19 },
				Package () { 0x000cffff, 0, 0, 20 },
				Package () { 0x000dffff, 0, 0, 21 },
				Package () { 0x000effff, 0, 0, 22 },
				Package () { 0x000fffff, 0, 0, 23 },
				Package () { 0x0010ffff, 0, 0, 16 },
				Package () { 0x0011ffff, 0, 0, 17 },
				Package () { 0x0012ffff, 0, 0, 18 },
				Package () { 0x0013ffff, 0, 0, 19 },
				Package () { 0x0014ffff, 0, 0, 20 },
				Package () { 0x0015ffff, 0, 0, 21 },
				Package () { 0x0016ffff, 0, 0, 22 },
				Package () { 0x0017ffff, 0, 0, 23 },
				Package () { 0x0018ffff, 0, 0, 16 },
				Package () { 0x0019ffff, 0, 0, 17 },
				Package () { 0x001affff, 0, 0, 18 },
				Package () { 0x001bffff, 0, 0, 19 },
				Package () { 0x001cffff, 0, 0, 20 },
				Package () { 0x001dffff, 0, 0, 21 },
				Package () { 0x001effff, 0, 0, 22 },
				Package () { 0x001fffff, 0, 0, 23 }
			})
			// No hot plug, AER or power management to hand over
			Method (_OSC, 4)
			{
				CreateDWordField (Arg3, 0, STAT)
				CreateDWordField (Arg3, 8, CTRL)
				If (LEqual (Arg0, ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766")))
				{
					Store (0, CTRL)
				}
				Else
				{
					Or (STAT, 4, STAT)
				}
				Return (Arg3)
			}
		}

		// What is taken, so that nothing else is put there
		Device (BRD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xe0000000, 0x100000)
				IO (Decode16, 0x600, 0x600, 1, 8)
			})
		}

		// Panics of the guest's kernel
		Device (PEVT)
		{
			Name (_HID, "QEMU0001")
			Name (_STA, 15)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x505, 0x505, 1, 1)
			})
		}

		// 16 bytes that differ each time a machine is started
		Device (VGID)
		{
			Name (_HID, "LDGE0001")
			Name (_CID, "VM_Gen_Counter")
			Name (_DDN, "VM_Gen_Counter")
			Name (ADDR, Package () { 0x000fff00, 0 })
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x70, 0x70, 1, 2)
				IRQNoFlags () { 8 }
			})
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3f8, 0x3f8, 1, 8)
				IRQNoFlags () { 4 }
			})
		}

		Device (COM2)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 2)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x2f8, 0x2f8, 1, 8)
				IRQNoFlags () { 3 }
			})
		}

		Device (COM3)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 3)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3e8, 0x3e8, 1, 8)
				IRQNoFlags () { 5 }
			})
		}
	}
}
