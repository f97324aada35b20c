// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest is told of the board; lodge.h has the same numbers.
 * iasl compiles it when the launcher is built.
 */
DefinitionBlock ("", "DSDT", 2, "LODGE ", "LODGE   ", 1)
{
	// S5 is the only sleep: SLP_TYP 5 in PM1 control
	Name (\_S5, Package () { 5, 5, 0, 0 })

	// Something was plugged in, or is to be let go of
	Scope (\_GPE)
	{
		Method (_L01)
		{
			Store (\_SB.PCI0.ADDD, Local0)
			Store (Local0, \_SB.PCI0.ADDD)
			\_SB.PCI0.TELL (Local0, 1)
			Store (\_SB.PCI0.WANT, Local0)
			Store (Local0, \_SB.PCI0.WANT)
			\_SB.PCI0.TELL (Local0, 3)
		}
	}

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
				DWordMemory (ResourceProducer, PosDecode,
					MinFixed, MaxFixed, NonCacheable,
					ReadWrite, 0, 0xe0100000, 0xfebfffff,
					0, 0x1eb00000)
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
			// No native hot plug, AER or power management to hand over
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
			// Slots, hot-plug (hotplug.c): what was added, what is wanted back,
			// and what the guest lets go of, a bit for each
			OperationRegion (HPR, SystemIO, 0x610, 12)
			Field (HPR, DWordAcc, NoLock, WriteAsZeros)
			{
				ADDD, 32,
				WANT, 32,
				EJCT, 32
			}
			Method (LETG, 1)
			{
				Store (Arg0, EJCT)
			}
			Device (S01) { Name (_ADR, 0x00010000) Name (_SUN, 1) Method (_EJ0, 1) { LETG (0x00000002) } }
			Device (S02) { Name (_ADR, 0x00020000) Name (_SUN, 2) Method (_EJ0, 1) { LETG (0x00000004) } }
			Device (S03) { Name (_ADR, 0x00030000) Name (_SUN, 3) Method (_EJ0, 1) { LETG (0x00000008) } }
			Device (S04) { Name (_ADR, 0x00040000) Name (_SUN, 4) Method (_EJ0, 1) { LETG (0x00000010) } }
			Device (S05) { Name (_ADR, 0x00050000) Name (_SUN, 5) Method (_EJ0, 1) { LETG (0x00000020) } }
			Device (S06) { Name (_ADR, 0x00060000) Name (_SUN, 6) Method (_EJ0, 1) { LETG (0x00000040) } }
			Device (S07) { Name (_ADR, 0x00070000) Name (_SUN, 7) Method (_EJ0, 1) { LETG (0x00000080) } }
			Device (S08) { Name (_ADR, 0x00080000) Name (_SUN, 8) Method (_EJ0, 1) { LETG (0x00000100) } }
			Device (S09) { Name (_ADR, 0x00090000) Name (_SUN, 9) Method (_EJ0, 1) { LETG (0x00000200) } }
			Device (S0A) { Name (_ADR, 0x000a0000) Name (_SUN, 10) Method (_EJ0, 1) { LETG (0x00000400) } }
			Device (S0B) { Name (_ADR, 0x000b0000) Name (_SUN, 11) Method (_EJ0, 1) { LETG (0x00000800) } }
			Device (S0C) { Name (_ADR, 0x000c0000) Name (_SUN, 12) Method (_EJ0, 1) { LETG (0x00001000) } }
			Device (S0D) { Name (_ADR, 0x000d0000) Name (_SUN, 13) Method (_EJ0, 1) { LETG (0x00002000) } }
			Device (S0E) { Name (_ADR, 0x000e0000) Name (_SUN, 14) Method (_EJ0, 1) { LETG (0x00004000) } }
			Device (S0F) { Name (_ADR, 0x000f0000) Name (_SUN, 15) Method (_EJ0, 1) { LETG (0x00008000) } }
			Device (S10) { Name (_ADR, 0x00100000) Name (_SUN, 16) Method (_EJ0, 1) { LETG (0x00010000) } }
			Device (S11) { Name (_ADR, 0x00110000) Name (_SUN, 17) Method (_EJ0, 1) { LETG (0x00020000) } }
			Device (S12) { Name (_ADR, 0x00120000) Name (_SUN, 18) Method (_EJ0, 1) { LETG (0x00040000) } }
			Device (S13) { Name (_ADR, 0x00130000) Name (_SUN, 19) Method (_EJ0, 1) { LETG (0x00080000) } }
			Device (S14) { Name (_ADR, 0x00140000) Name (_SUN, 20) Method (_EJ0, 1) { LETG (0x00100000) } }
			Device (S15) { Name (_ADR, 0x00150000) Name (_SUN, 21) Method (_EJ0, 1) { LETG (0x00200000) } }
			Device (S16) { Name (_ADR, 0x00160000) Name (_SUN, 22) Method (_EJ0, 1) { LETG (0x00400000) } }
			Device (S17) { Name (_ADR, 0x00170000) Name (_SUN, 23) Method (_EJ0, 1) { LETG (0x00800000) } }
			Device (S18) { Name (_ADR, 0x00180000) Name (_SUN, 24) Method (_EJ0, 1) { LETG (0x01000000) } }
			Device (S19) { Name (_ADR, 0x00190000) Name (_SUN, 25) Method (_EJ0, 1) { LETG (0x02000000) } }
			Device (S1A) { Name (_ADR, 0x001a0000) Name (_SUN, 26) Method (_EJ0, 1) { LETG (0x04000000) } }
			Device (S1B) { Name (_ADR, 0x001b0000) Name (_SUN, 27) Method (_EJ0, 1) { LETG (0x08000000) } }
			Device (S1C) { Name (_ADR, 0x001c0000) Name (_SUN, 28) Method (_EJ0, 1) { LETG (0x10000000) } }
			Device (S1D) { Name (_ADR, 0x001d0000) Name (_SUN, 29) Method (_EJ0, 1) { LETG (0x20000000) } }
			Device (S1E) { Name (_ADR, 0x001e0000) Name (_SUN, 30) Method (_EJ0, 1) { LETG (0x40000000) } }
			Device (S1F) { Name (_ADR, 0x001f0000) Name (_SUN, 31) Method (_EJ0, 1) { LETG (0x80000000) } }

			Method (TELL, 2)
			{
				If (And (Arg0, 0x00000002)) { Notify (S01, Arg1) }
				If (And (Arg0, 0x00000004)) { Notify (S02, Arg1) }
				If (And (Arg0, 0x00000008)) { Notify (S03, Arg1) }
				If (And (Arg0, 0x00000010)) { Notify (S04, Arg1) }
				If (And (Arg0, 0x00000020)) { Notify (S05, Arg1) }
				If (And (Arg0, 0x00000040)) { Notify (S06, Arg1) }
				If (And (Arg0, 0x00000080)) { Notify (S07, Arg1) }
				If (And (Arg0, 0x00000100)) { Notify (S08, Arg1) }
				If (And (Arg0, 0x00000200)) { Notify (S09, Arg1) }
				If (And (Arg0, 0x00000400)) { Notify (S0A, Arg1) }
				If (And (Arg0, 0x00000800)) { Notify (S0B, Arg1) }
				If (And (Arg0, 0x00001000)) { Notify (S0C, Arg1) }
				If (And (Arg0, 0x00002000)) { Notify (S0D, Arg1) }
				If (And (Arg0, 0x00004000)) { Notify (S0E, Arg1) }
				If (And (Arg0, 0x00008000)) { Notify (S0F, Arg1) }
				If (And (Arg0, 0x00010000)) { Notify (S10, Arg1) }
				If (And (Arg0, 0x00020000)) { Notify (S11, Arg1) }
				If (And (Arg0, 0x00040000)) { Notify (S12, Arg1) }
				If (And (Arg0, 0x00080000)) { Notify (S13, Arg1) }
				If (And (Arg0, 0x00100000)) { Notify (S14, Arg1) }
				If (And (Arg0, 0x00200000)) { Notify (S15, Arg1) }
				If (And (Arg0, 0x00400000)) { Notify (S16, Arg1) }
				If (And (Arg0, 0x00800000)) { Notify (S17, Arg1) }
				If (And (Arg0, 0x01000000)) { Notify (S18, Arg1) }
				If (And (Arg0, 0x02000000)) { Notify (S19, Arg1) }
				If (And (Arg0, 0x04000000)) { Notify (S1A, Arg1) }
				If (And (Arg0, 0x08000000)) { Notify (S1B, Arg1) }
				If (And (Arg0, 0x10000000)) { Notify (S1C, Arg1) }
				If (And (Arg0, 0x20000000)) { Notify (S1D, Arg1) }
				If (And (Arg0, 0x40000000)) { Notify (S1E, Arg1) }
				If (And (Arg0, 0x80000000)) { Notify (S1F, Arg1) }
			}
		}

		// What is taken, so that nothing else is put there
		Device (BRD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xe0000000, 0x100000)
				IO (Decode16, 0x600, 0x600, 1, 0x20)
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

		// 16 bytes that differ each time a machine is started; acpi.c says where
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
